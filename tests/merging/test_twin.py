"""Twin-Merging: the shared model, the own parts, and their limits."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from merging.methods import twin
from merging.site import Workshop
from tests.merging.running import NAME, merger_of, run, tensors

SHAPES: list[tuple[int, ...]] = [(12, 20), (20, 12), (15, 15), (9,), (2, 3, 4), ()]


def truncated(matrix: Tensor, rank: int) -> Tensor:
    """The nearest matrix of this rank, in double precision."""
    left, values, right = torch.linalg.svd(matrix.double(), full_matrices=False)
    nearest: Tensor = (left[:, :rank] * values[:rank]) @ right[:rank]
    return nearest


@pytest.mark.parametrize("shape", [(12, 20), (20, 12), (10, 10)])
@given(
    seed=st.integers(0, 1000),
    weights=st.lists(st.floats(-1, 2), min_size=3, max_size=3),
    density=st.floats(0, 1),
    factor=st.floats(-0.5, 1.5),
)
@settings(max_examples=25, deadline=None)
def test_matrices_follow_the_formula(
    shape: tuple[int, int], seed: int, weights: list[float], density: float, factor: float
) -> None:
    base, *parents = tensors(4, shape, seed)
    merged = run("twin", base, parents, weight=weights, density=density, **{"lambda": factor})
    shared = base.double() + factor * sum(parent.double() - base.double() for parent in parents)
    rank = int(density * min(shape) + 1e-9)
    expected = shared + sum(
        weight * truncated(parent - shared, rank)
        for weight, parent in zip(weights, parents, strict=True)
    )
    torch.testing.assert_close(merged, expected.float(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("shape", [(9,), (2, 3, 4), ()])
@pytest.mark.parametrize("density", [0.0, 0.1, 1.0])
def test_what_is_no_matrix_keeps_its_own_part_whole(shape: tuple[int, ...], density: float) -> None:
    base, *parents = tensors(3, shape)
    merged = run("twin", base, parents, weight=[0.7, 0.2], density=density)
    shared = base + 0.3 * ((parents[0] - base) + (parents[1] - base))
    expected = shared + 0.7 * (parents[0] - shared) + 0.2 * (parents[1] - shared)
    torch.testing.assert_close(merged, expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_without_weights_it_is_task_arithmetic(shape: tuple[int, ...]) -> None:
    base, *parents = tensors(4, shape)
    shared = run("task_arithmetic", base, parents, weight=0.3)
    torch.testing.assert_close(run("twin", base, parents, weight=0.0), shared)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("chosen", [0, 1, 2])
def test_with_all_directions_the_chosen_parent_comes_back(
    shape: tuple[int, ...], chosen: int
) -> None:
    base, *parents = tensors(4, shape)
    weights = [float(place == chosen) for place in range(3)]
    merged = run("twin", base, parents, weight=weights, density=1.0)
    torch.testing.assert_close(merged, parents[chosen], rtol=1e-4, atol=1e-5)


def test_more_directions_come_nearer_to_the_parent() -> None:
    base, *parents = tensors(3, (30, 40))
    distances = [
        float((run("twin", base, parents, weight=[1.0, 0.0], density=one) - parents[0]).norm())
        for one in (0.0, 0.1, 0.29, 0.5, 0.9, 1.0)
    ]
    assert distances == sorted(distances, reverse=True)
    assert distances[0] > 10 * distances[-1]


@pytest.mark.parametrize(("density", "rank"), [(0.0, 0), (0.009, 0), (0.01, 1), (0.29, 29)])
def test_shares_are_rounded_down_to_whole_directions(density: float, rank: int) -> None:
    base, parent = tensors(2, (100, 110))
    merged = run("twin", base, [parent], density=density, **{"lambda": 0.0})
    assert int(torch.linalg.matrix_rank((merged - base).double(), rtol=1e-4)) == rank


@pytest.mark.parametrize("shape", [(12, 20), (9,)])
def test_parents_that_are_the_base_leave_it_as_it_is(shape: tuple[int, ...]) -> None:
    (base,) = tensors(1, shape)
    torch.testing.assert_close(run("twin", base, [base, base], density=1.0), base)


def test_the_order_of_parents_is_ignored() -> None:
    base, one, two = tensors(3, (20, 20))
    merged = run("twin", base, [one, two], weight=[0.8, 0.1])
    torch.testing.assert_close(run("twin", base, [two, one], weight=[0.1, 0.8]), merged)


def test_own_parts_are_computed_once_for_all_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    base, *parents = [{NAME: one} for one in tensors(3, (20, 20))]
    workshop = Workshop()

    def merged(weights: list[float], density: float, shop: Workshop) -> Tensor:
        merger = merger_of(
            "twin",
            base,
            parents,
            per_parent={"weight": weights},
            shared={"density": density},
            workshop=shop,
        )
        return merger.tensor(NAME)

    expected = merged([0.1, 0.9], 0.5, Workshop())
    merged([1.0, 0.0], 0.5, workshop)
    other = merged([0.1, 0.9], 0.2, workshop)
    monkeypatch.setattr(twin, "_exclusive", None)
    assert torch.equal(merged([0.1, 0.9], 0.5, workshop), expected)
    assert torch.equal(merged([0.1, 0.9], 0.2, workshop), other)
    assert not torch.allclose(other, expected)
