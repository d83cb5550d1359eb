"""nuslerp, multislerp, karcher and model_stock against their formulas, worked out on the tensors.

The methods know only inner products; the formulas here know none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from merging.errors import NonFiniteError
from merging.methods import _gram
from tests.merging.running import run, tensors

ON_SPHERES = ["nuslerp", "multislerp", "karcher", "model_stock"]
WITHOUT_BASE = ["nuslerp", "multislerp", "karcher"]
WEIGHTS = st.floats(0.05, 2)


def unit(vector: Tensor) -> Tensor:
    return torch.nn.functional.normalize(vector, dim=0)


def check(merged: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(merged, expected.float(), rtol=1e-4, atol=1e-5)


def on_the_arc(t: float, first: Tensor, second: Tensor) -> Tensor:
    """By turning the first towards the second, the length going with it."""
    angle = math.acos(float(unit(first) @ unit(second)))
    share = math.sin((1 - t) * angle) / math.sin(angle), math.sin(t * angle) / math.sin(angle)
    return share[0] * first + share[1] * second


@given(seed=st.integers(0, 1000), weights=st.tuples(WEIGHTS, WEIGHTS))
@settings(deadline=None, max_examples=25)
@pytest.mark.parametrize("vectors", ["tensor", "last", "first"])
def test_nuslerp_of_tensors_and_of_their_vectors(
    vectors: str, seed: int, weights: tuple[float, float]
) -> None:
    first, second = tensors(2, (6, 5), seed)
    t = weights[1] / sum(weights)
    if vectors == "tensor":
        expected = on_the_arc(t, first.double().flatten(), second.double().flatten())
    else:
        turn = vectors == "first"
        pairs = zip(*((one.T if turn else one).double() for one in (first, second)), strict=True)
        expected = torch.stack([on_the_arc(t, *pair) for pair in pairs])
        expected = expected.T if turn else expected
    merged = run(
        "nuslerp",
        None,
        [first, second],
        weight=list(weights),
        nuslerp_flatten=vectors == "tensor",
        nuslerp_row_wise=vectors == "first",
    )
    check(merged, expected.reshape(6, 5))


@pytest.mark.parametrize("flatten", [True, False])
def test_nuslerp_ends_in_its_parents(flatten: bool) -> None:
    base, first, second = tensors(3, (4, 6))
    for weight, end in (([1.0, 0.0], first), ([0.0, 1.0], second)):
        for start in (base, None):
            merged = run("nuslerp", start, [first, second], weight=weight, nuslerp_flatten=flatten)
            check(merged, end)


@pytest.mark.parametrize("flatten", [True, False])
@pytest.mark.parametrize("factor", [1.0, 2.5, -1.0, 0.0])
def test_nuslerp_of_collinear_tensors_is_a_line(flatten: bool, factor: float) -> None:
    (first,) = tensors(1, (4, 6))
    merged = run(
        "nuslerp", None, [first, factor * first], weight=[0.7, 0.3], nuslerp_flatten=flatten
    )
    # Zeros count as orthogonal: a quarter turn away.
    share = math.sin(0.7 * math.pi / 2) if factor == 0 else 0.7 + 0.3 * factor
    check(merged, share * first)


def test_nuslerp_weights_that_sum_to_0_are_equal() -> None:
    parents = tensors(2, (7,))
    opposite = run("nuslerp", None, parents, weight=[0.4, -0.4])
    assert torch.equal(opposite, run("nuslerp", None, parents))


@pytest.mark.parametrize("dim", [0, -1])
def test_vectors_of_a_tensor_are_merged_the_same_in_any_tiling(
    dim: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, *parents = (one.bfloat16() for one in tensors(3, (5, 3, 7)))
    values = {"nuslerp_flatten": False, "nuslerp_row_wise": dim == 0, "weight": [0.2, 0.5]}
    whole = run("nuslerp", base, parents, **values)
    monkeypatch.setattr(_gram, "_TILE", 10)
    torch.testing.assert_close(run("nuslerp", base, parents, **values), whole)


def published_multislerp(parents: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Every step as it is published: to the tangent space at the mean, there, and back."""
    share = torch.tensor(weights).double()
    vectors = torch.stack([one.double().flatten() for one in parents])
    units = vectors / vectors.norm(dim=1, keepdim=True)
    mean = unit(share @ units)
    tangent = share @ (units - (units @ mean)[:, None] * mean)
    size = tangent.norm()
    moved = mean * torch.cos(size) + tangent * torch.sinc(size / math.pi)
    size = share @ vectors.norm(dim=1)
    return torch.reshape(moved * size, parents[0].shape)


@given(seed=st.integers(0, 1000), weights=st.lists(WEIGHTS, min_size=2, max_size=4))
@settings(deadline=None, max_examples=25)
@pytest.mark.parametrize("normalize", [True, False])
def test_multislerp(normalize: bool, seed: int, weights: list[float]) -> None:
    parents = tensors(len(weights), (6, 5), seed)
    share = [weight / sum(weights) for weight in weights] if normalize else weights
    merged = run("multislerp", None, parents, weight=weights, normalize_weights=normalize)
    check(merged, published_multislerp(parents, share))


def test_multislerp_where_parents_cancel_out() -> None:
    base, delta, other = tensors(3, (8,))
    check(run("multislerp", base, [base + delta, base - 2 * delta]), base - delta / 2)
    third = -unit(unit(delta) + unit(other)) * (unit(delta) + unit(other)).norm()
    with pytest.raises(NonFiniteError, match="cancel out"):
        run("multislerp", None, [delta, other, third], weight=[1, 1, third.norm().item()])
    with pytest.raises(NonFiniteError, match="sum to 0"):
        run("multislerp", None, [delta, other], weight=[0.5, -0.5])
    torch.testing.assert_close(run("multislerp", base, [base, base, base]), base)


@pytest.mark.parametrize("eps", [0.0, 1e-8])
def test_multislerp_of_a_parent_without_a_direction(eps: float) -> None:
    (parent,) = tensors(1, (8,))
    merged = run("multislerp", None, [torch.zeros(8), parent], weight=[0.3, 0.7], eps=eps)
    check(merged, 0.7 * parent)


def karcher_by_steps(parents: Sequence[Tensor], steps: int) -> Tensor:
    vectors = torch.stack([one.double().flatten() for one in parents])
    lengths = vectors.norm(dim=1, keepdim=True)
    units = vectors / lengths
    mean = unit(units.mean(dim=0))
    for _ in range(steps):
        step = pull(mean, units)
        mean = unit(torch.cos(step.norm()) * mean + torch.sinc(step.norm() / math.pi) * step)
    return torch.reshape(lengths.mean() * mean, parents[0].shape)


def pull(mean: Tensor, units: Tensor) -> Tensor:
    """The mean of log_mean(u) over the unit vectors."""
    cosines = (units @ mean).clamp(-1, 1)
    angles = cosines.arccos()
    return (((angles / angles.sin())[:, None]) * (units - cosines[:, None] * mean)).mean(dim=0)


@given(seed=st.integers(0, 1000), count=st.integers(2, 5), steps=st.integers(0, 6))
@settings(deadline=None, max_examples=30)
def test_karcher_goes_the_way_it_would_on_the_tensors(seed: int, count: int, steps: int) -> None:
    parents = tensors(count, (7, 5), seed)
    merged = run("karcher", None, parents, max_iter=steps, tol=1e-9)
    check(merged, karcher_by_steps(parents, steps))


@given(seed=st.integers(0, 1000), count=st.integers(2, 5))
@settings(deadline=None, max_examples=20)
def test_karcher_ends_in_the_centre_of_mass(seed: int, count: int) -> None:
    parents = tensors(count, (7, 5), seed)
    merged = run("karcher", None, parents, max_iter=100, tol=1e-6).double().flatten()
    vectors = torch.stack([one.double().flatten() for one in parents])
    units = vectors / vectors.norm(dim=1, keepdim=True)
    assert float(pull(unit(merged), units).norm()) < 1e-5
    assert float(merged.norm()) == pytest.approx(float(vectors.norm(dim=1).mean()), rel=1e-5)


def test_karcher_without_a_direction() -> None:
    first, second = tensors(2, (9,))
    check(run("karcher", None, [first, torch.zeros(9)]), first / 2)
    assert run("karcher", None, [torch.zeros(9)] * 3).tolist() == [0] * 9
    # Opposite points have no centre, but many; the first is taken.
    check(run("karcher", None, [first, -second]), karcher_by_steps([first, -second], 50))
    check(run("karcher", None, [first, -first]), first)


@given(seed=st.integers(0, 1000), count=st.integers(2, 5))
@settings(deadline=None, max_examples=25)
@pytest.mark.parametrize("filter_wise", [False, True])
def test_model_stock(filter_wise: bool, seed: int, count: int) -> None:
    base, *parents = tensors(1 + count, (6, 8), seed)
    shape = (6, 8) if filter_wise else (1, 48)
    start = base.double().reshape(shape)
    deltas = [one.double().reshape(shape) - start for one in parents]
    cosines = [
        torch.nn.functional.cosine_similarity(deltas[i], deltas[j], dim=1)
        for i in range(count)
        for j in range(i)
    ]
    cosine = sum(cosines, torch.zeros(shape[0]).double()) / len(cosines)
    t = (count * cosine / (1 + (count - 1) * cosine))[:, None]
    average = sum(deltas, torch.zeros(shape).double()) / count
    merged = run("model_stock", base, parents, filter_wise=filter_wise)
    check(merged, (start + t * average).reshape(6, 8))


@pytest.mark.parametrize("filter_wise", [False, True])
def test_model_stock_goes_as_far_as_the_parents_agree(filter_wise: bool) -> None:
    base, delta = tensors(2, (5, 6))

    def merged(*deltas: Tensor) -> Tensor:
        parents = [base + one for one in deltas]
        return run("model_stock", base, parents, filter_wise=filter_wise)

    check(merged(delta, delta, delta), base + delta)
    check(merged(delta, torch.zeros(5, 6)), base)
    assert torch.equal(merged(torch.zeros(5, 6), torch.zeros(5, 6)), base)
    across = delta.clone()
    across[:, ::2], across[:, 1::2] = -delta[:, 1::2], delta[:, ::2]
    check(merged(delta, across), base)
    check(merged(delta, -delta), base)


@pytest.mark.parametrize("name", [one for one in ON_SPHERES if one != "nuslerp"])
@given(seed=st.integers(0, 1000), order=st.permutations([0, 1, 2]))
@settings(deadline=None, max_examples=15)
def test_the_order_of_parents_is_ignored(name: str, seed: int, order: list[int]) -> None:
    base, *parents = tensors(4, (3, 5), seed)
    weights = [0.2, 0.9, 0.5]
    merged = run(name, base, parents, weight=weights)
    swapped = [parents[i] for i in order]
    check(run(name, base, swapped, weight=[weights[i] for i in order]), merged)


@pytest.mark.parametrize("values", [{}, {"nuslerp_flatten": False}])
def test_nuslerp_swapped_is_the_same(values: dict[str, bool]) -> None:
    base, first, second = tensors(3, (3, 5))
    merged = run("nuslerp", base, [first, second], weight=[0.2, 0.9], **values)
    check(run("nuslerp", base, [second, first], weight=[0.9, 0.2], **values), merged)


@pytest.mark.parametrize("name", ["multislerp", "karcher"])
def test_one_parent_is_returned_as_it_is(name: str) -> None:
    base, parent = tensors(2, (3, 5))
    for weight in (1.0, 0.3):
        assert torch.equal(run(name, base, [parent], weight=[weight]), parent)


@pytest.mark.parametrize("name", ["nuslerp", "multislerp"])
def test_with_a_base_task_vectors_are_merged(name: str) -> None:
    base, *parents = tensors(3, (4, 5))
    deltas = [parent - base for parent in parents]
    merged = run(name, base, parents, weight=[0.3, 0.6])
    check(merged, base + run(name, None, deltas, weight=[0.3, 0.6]))


@pytest.mark.parametrize("name", ["nuslerp", "multislerp"])
@pytest.mark.parametrize("flatten", [True, False])
def test_parents_equal_to_the_base_give_the_base(name: str, flatten: bool) -> None:
    (base,) = tensors(1, (4, 5))
    merged = run(name, base, [base, base], nuslerp_flatten=flatten)
    assert torch.equal(merged, base)


@pytest.mark.parametrize("name", ON_SPHERES)
@pytest.mark.parametrize("by_rows", [False, True])
def test_what_is_stored_in_bfloat16_is_merged_in_more(name: str, by_rows: bool) -> None:
    base, *parents = (one.bfloat16() for one in tensors(3, (6, 7)))
    values = {"nuslerp_flatten": not by_rows, "filter_wise": by_rows}
    wide = run(name, base.float(), [one.float() for one in parents], **values)
    assert torch.equal(run(name, base, parents, **values), wide)


@pytest.mark.parametrize("name", ON_SPHERES)
@pytest.mark.parametrize("by_rows", [False, True])
@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_what_is_no_number_is_never_hidden(name: str, by_rows: bool, broken: float) -> None:
    base, *parents = tensors(3, (4, 4))
    parents[0][2, 2] = broken
    for start in (base, None) if name in WITHOUT_BASE else (base,):
        merged = run(name, start, parents, nuslerp_flatten=not by_rows, filter_wise=by_rows)
        assert not math.isfinite(merged[2, 2])


@pytest.mark.parametrize("name", WITHOUT_BASE)
@pytest.mark.parametrize("size", [1e30, 1e-30])
def test_very_large_and_very_small_numbers(name: str, size: float) -> None:
    parents = [size * one for one in tensors(2, (10,))]
    merged = run(name, None, parents)
    assert bool(merged.isfinite().all())
    if size > 1:
        check(merged / size, run(name, None, [one / size for one in parents]))
