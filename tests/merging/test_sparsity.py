"""Trimming, random masks, sign election and slerp at their edges."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from merging.errors import NonFiniteError
from merging.merger import random_numbers
from merging.methods._parts import drop, elect, match_l1, trim
from tests.merging.test_methods import run, tensors


@given(
    values=st.lists(st.sampled_from([-2.0, -1.0, 0.0, 1.0, 2.0]), min_size=1, max_size=30),
    density=st.floats(0, 1),
)
@settings(deadline=None)
def test_trim_keeps_the_count_of_largest(values: list[float], density: float) -> None:
    delta = torch.tensor(values)
    kept = trim(delta, density)
    count = max(1, int(density * len(values))) if density > 0 else 0
    largest = sorted((abs(value) for value in values), reverse=True)[:count]
    assert sorted((abs(value) for value in kept.tolist() if value), reverse=True) == [
        value for value in largest if value
    ]


def test_trim_of_equal_entries_keeps_the_first() -> None:
    assert trim(torch.ones(2, 3), 0.5).tolist() == [[1, 1, 1], [0, 0, 0]]


def test_masks_are_nested_in_density() -> None:
    delta, uniform = torch.ones(1000), random_numbers(3, "maths", "w", (1000,))
    kept = torch.zeros(1000)
    for density in (0.0, 0.1, 0.35, 0.36, 0.8, 1.0):
        more = drop(delta, density, uniform)
        assert bool((more >= kept).all())
        assert float(more.mean()) == pytest.approx(density, abs=0.05)
        kept = more


def test_masks_depend_on_seed_model_and_tensor_alone() -> None:
    first = random_numbers(3, "maths", "w", (50,))
    torch.manual_seed(9)
    assert torch.equal(first, random_numbers(3, "maths", "w", (50,)))
    for other in ((4, "maths", "w"), (3, "ja", "w"), (3, "maths", "v")):
        assert not torch.equal(first, random_numbers(*other, (50,)))


@pytest.mark.parametrize("name", ["dare_linear", "dare_ties"])
def test_dare_rescales_by_the_density_or_to_the_norm_or_not_at_all(name: str) -> None:
    delta = tensors(1, (400,))[0]
    base = torch.zeros(400)
    mask = random_numbers(0, "0", "w", (400,)) < 0.25
    kept = delta * mask
    torch.testing.assert_close(run(name, base, [delta], 1.0, 0.25), kept / 0.25)
    torch.testing.assert_close(run(name, base, [delta], 1.0, 0.25, rescale=False), kept)
    to_norm = run(name, base, [delta], 1.0, 0.25, rescale_l1=True)
    torch.testing.assert_close(to_norm, kept * (delta.abs().sum() / kept.abs().sum()))


@pytest.mark.parametrize("name", ["ties", "dare_ties", "dare_linear"])
def test_density_0_is_the_base(name: str) -> None:
    base, parent = tensors(2, (5, 5))
    assert torch.equal(run(name, base, [parent], 1.0, 0.0), base)


def test_l1_is_left_alone_next_to_zero() -> None:
    tiny = torch.full((3,), 1e-9)
    assert match_l1(tiny, torch.ones(3)) is tiny


def test_a_sum_of_zero_elects_plus() -> None:
    deltas = [torch.tensor([0.5]), torch.tensor([-0.5])]
    assert elect(deltas, [1.0, 1.0], normalized=True).tolist() == [0.5]


def test_linear_weights_that_sum_to_0() -> None:
    base, *parents = tensors(3, (2,))
    with pytest.raises(NonFiniteError, match="sum to 0"):
        run("linear", base, parents, [0.5, -0.5])
    torch.testing.assert_close(
        run("linear", base, parents, [0.5, -0.5], normalize=False), (parents[0] - parents[1]) / 2
    )


@pytest.mark.parametrize("t", [0.0, 0.25, 1.0])
def test_slerp_goes_along_the_arc(t: float) -> None:
    first, second = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 3.0])
    angle = t * math.pi / 2
    expected = torch.tensor([3 * math.cos(angle), 3 * math.sin(angle)])
    torch.testing.assert_close(run("slerp", first, [second], t=t), expected)


@pytest.mark.parametrize("factor", [1.0, 2.0, -1.0])
def test_slerp_of_collinear_tensors_is_a_line(factor: float) -> None:
    first = tensors(1, (4, 3))[0]
    expected = 0.7 * first + 0.3 * factor * first
    torch.testing.assert_close(run("slerp", first, [factor * first], t=0.3), expected)


def test_slerp_with_zeros_is_finite() -> None:
    zero, other = torch.zeros(4), torch.ones(4)
    assert run("slerp", zero, [zero], t=0.5).tolist() == [0, 0, 0, 0]
    half = math.sin(math.pi / 4)
    torch.testing.assert_close(run("slerp", zero, [other], t=0.5), half * other)
    torch.testing.assert_close(run("slerp", other, [zero], t=0.5), half * other)


def test_slerp_of_large_numbers_does_not_overflow() -> None:
    first, second = (1e30 * one for one in tensors(2, (10,)))
    assert bool(run("slerp", first, [second], t=0.5).isfinite().all())
