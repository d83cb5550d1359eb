"""Trimming, random masks, sign election and slerp at their edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from merging.errors import NonFiniteError, RecipeError
from merging.methods._random import split_key, uniform
from merging.site import random_key
from tests.merging.running import NAME, merger_of, run, tensors

ZERO = torch.zeros(())
RECORDED = [63673, 12052859, 15768676, 5563333, 3796850]


def drawn(key: int, count: int, first: int = 0) -> Tensor:
    low, high = (torch.tensor(half) for half in split_key(key))
    return uniform(torch.arange(first, first + count), low, high)


@given(
    values=st.lists(st.sampled_from([-2.0, -1.0, 0.0, 1.0, 2.0]), min_size=1, max_size=30),
    density=st.floats(0, 1),
)
@settings(deadline=None, max_examples=50)
def test_trim_keeps_the_count_of_largest(values: list[float], density: float) -> None:
    delta = torch.tensor(values)
    kept = run("ties", ZERO.expand(len(values)), [delta], density=density)
    count = max(1, int(density * len(values))) if density > 0 else 0
    largest = sorted((abs(value) for value in values), reverse=True)[:count]
    assert sorted((abs(value) for value in kept.tolist() if value), reverse=True) == [
        value for value in largest if value
    ]


def test_trim_of_equal_entries_keeps_the_first() -> None:
    kept = run("ties", torch.zeros(2, 3), [torch.ones(2, 3)], density=0.5)
    assert kept.tolist() == [[1, 1, 1], [0, 0, 0]]


def test_a_trim_of_the_whole_model_takes_one_density() -> None:
    models = [{"model.layers.0.w": torch.ones(2), "model.layers.1.w": torch.ones(2)}] * 2
    with pytest.raises(RecipeError, match="density: trim: model takes one density"):
        merger_of(
            "ties",
            models[0],
            [models[1]],
            per_parent={"density": [[0.1, 0.2]]},
            shared={"trim": "model"},
        )


@pytest.mark.parametrize("name", ["dare_linear", "dare_ties"])
def test_masks_are_nested_in_density(name: str) -> None:
    kept = torch.zeros(1000)
    for density in (0.0, 0.1, 0.35, 0.36, 0.8, 1.0):
        more = run(name, torch.zeros(1000), [torch.ones(1000)], density=density, rescale=False)
        assert bool((more >= kept).all())
        assert float(more.mean()) == pytest.approx(density, abs=0.05)
        kept = more


def test_keys_depend_on_seed_model_and_tensor_alone() -> None:
    first = random_key(3, "maths", "w")
    assert first == random_key(3, "maths", "w")
    for other in ((4, "maths", "w"), (3, "ja", "w"), (3, "maths", "v")):
        assert first != random_key(*other)


def test_random_numbers_are_the_same_in_any_tiling() -> None:
    whole = drawn(12345, 1000)
    assert torch.equal(whole, torch.cat([drawn(12345, 300), drawn(12345, 700, first=300)]))


def test_random_numbers_of_a_key_never_change() -> None:
    """Recorded when the generator was made: a recipe's masks must outlive versions."""
    numbers = (drawn(random_key(7, "zoo/maths", "model.norm.weight"), 5) * 2**24).int()
    assert numbers.tolist() == RECORDED


def test_random_numbers_are_uniform_and_keys_independent() -> None:
    count = 1 << 20
    rows = [drawn(random_key(seed, "m", "w"), count).numpy() for seed in range(4)]
    # The same lower half of a key must not give the same sequence in another order.
    low = random_key(0, "m", "w")
    rows.append(drawn(low ^ (1 << 40), count).numpy())
    for row in rows:
        cells = np.histogram(row, 256, (0, 1))[0]
        expected = count / 256
        chi_square = ((cells - expected) ** 2 / expected).sum()
        # 255 degrees of freedom: mean 255, deviation 22.6.
        assert abs(chi_square - 255) < 6 * 22.6
        assert row.min() >= 0
        assert row.max() < 1
    correlations = np.corrcoef([*rows, np.roll(rows[0], 1), np.roll(rows[0], 64)])
    assert np.abs(correlations - np.eye(len(correlations))).max() < 6 / math.sqrt(count)


@pytest.mark.parametrize("name", ["dare_linear", "dare_ties"])
def test_dare_rescales_by_the_density_or_to_the_norm_or_not_at_all(name: str) -> None:
    delta = tensors(1, (400,))[0]
    base = torch.zeros(400)
    kept = delta * (drawn(random_key(0, "0", NAME), 400) < 0.25)
    torch.testing.assert_close(run(name, base, [delta], density=0.25), kept / 0.25)
    torch.testing.assert_close(run(name, base, [delta], density=0.25, rescale=False), kept)
    to_norm = run(name, base, [delta], density=0.25, rescale_l1=True)
    torch.testing.assert_close(to_norm, kept * (delta.abs().sum() / kept.abs().sum()))


@pytest.mark.parametrize("name", ["ties", "dare_ties", "dare_linear"])
def test_density_0_is_the_base(name: str) -> None:
    base, parent = tensors(2, (5, 5))
    assert torch.equal(run(name, base, [parent], density=0.0), base)


def test_l1_is_left_alone_next_to_zero() -> None:
    tiny = torch.full((3,), 1e-9)
    assert run("ties", torch.zeros(3), [tiny], density=0.4, rescale=True).tolist() == [
        pytest.approx(1e-9),
        0,
        0,
    ]


def test_a_sum_of_zero_elects_plus() -> None:
    deltas = [torch.tensor([0.5]), torch.tensor([-0.5])]
    assert run("ties", torch.zeros(1), deltas).tolist() == [0.5]


def test_linear_weights_that_sum_to_0() -> None:
    parents = tensors(2, (2,))
    with pytest.raises(NonFiniteError, match="sum to 0"):
        run("linear", None, parents, weight=[0.5, -0.5])
    torch.testing.assert_close(
        run("linear", None, parents, weight=[0.5, -0.5], normalize=False),
        (parents[0] - parents[1]) / 2,
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
