"""sce and arcee_fusion against their formulas, entry by entry."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import pvariance

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from merging import importance
from tests.merging.running import run, tensors


def by_entries(deltas: Sequence[list[float]], share: float) -> list[float]:
    """SCE's change to the base."""
    columns = list(zip(*deltas, strict=True))
    spread = [pvariance(column) for column in columns]
    varying = sum(1 for one in spread if one)
    order = sorted(range(len(columns)), key=lambda place: (-spread[place], place))
    kept = set(order[: int(varying * share)] if share < 1 else order)
    chosen = [[one if i in kept else 0.0 for i, one in enumerate(row)] for row in deltas]
    squares = [math.fsum(one**2 for one in row) / len(row) for row in chosen]
    total = sum(squares)
    weights = [one / total if total >= 1e-6 else 1 / len(squares) for one in squares]
    change = []
    for column in zip(*chosen, strict=True):
        sign = 1 if math.fsum(column) >= 0 else -1
        agreeing = [
            (one, weight) for one, weight in zip(column, weights, strict=True) if one * sign > 0
        ]
        divisor = max(1e-6, math.fsum(weight for _, weight in agreeing))
        change.append(math.fsum(one * weight for one, weight in agreeing) / divisor)
    return change


@given(
    seed=st.integers(0, 1000),
    count=st.integers(1, 4),
    # Quarters, halves and so on, which single precision knows exactly.
    share=st.integers(0, 64).map(lambda number: number / 64),
    size=st.sampled_from([1.0, 1e-4]),
)
@settings(deadline=None, max_examples=50)
def test_sce(seed: int, count: int, share: float, size: float) -> None:
    deltas = [size * one for one in tensors(count, (6, 4), seed)]
    # From 0, so that deltas are exact.
    merged = run("sce", torch.zeros(6, 4), deltas, select_topk=share)
    expected = by_entries([one.double().flatten().tolist() for one in deltas], share)
    torch.testing.assert_close(merged / size, torch.tensor(expected).reshape(6, 4) / size)


def test_sce_selects_nested_and_of_equal_variances_the_first() -> None:
    base, *parents = tensors(4, (9, 9))
    changed = torch.zeros(9, 9, dtype=torch.bool)
    for share in (0.0, 0.1, 0.11, 0.5, 0.9):
        merged = run("sce", base, parents, select_topk=share)
        assert bool((merged != base)[changed].all())
        changed = merged != base
        assert int(changed.sum()) == int(81 * share)
    equal = run("sce", torch.zeros(6), [torch.ones(6), torch.zeros(6)], select_topk=0.5)
    assert equal.tolist() == [1, 1, 1, 0, 0, 0]


def test_sce_counts_the_entries_that_vary() -> None:
    first = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    second = torch.tensor([1.0, 2.0, 3.0, 4.0, 7.0, 9.0])
    merged = run("sce", torch.zeros(6), [first, second], select_topk=0.5)
    assert (merged != 0).tolist() == [False] * 5 + [True]


def test_sce_counts_in_single_precision_as_mergekit_does() -> None:
    """0.29 * 100 is 28.999999999999996 in double precision."""
    (parent,) = tensors(1, (100,))
    merged = run("sce", torch.zeros(100), [parent, torch.zeros(100)], select_topk=0.29)
    assert int((merged != 0).sum()) == 29


@pytest.mark.parametrize("share", [0.4, 1.0])
@given(seed=st.integers(0, 1000), order=st.permutations([0, 1, 2]))
@settings(deadline=None, max_examples=15)
def test_sce_ignores_the_order_of_parents(share: float, seed: int, order: list[int]) -> None:
    base, *parents = tensors(4, (3, 5), seed)
    merged = run("sce", base, parents, select_topk=share)
    swapped = run("sce", base, [parents[i] for i in order], select_topk=share)
    torch.testing.assert_close(swapped, merged)


def test_sce_of_one_parent_and_of_none_that_differs() -> None:
    base, parent = tensors(2, (5, 4))
    torch.testing.assert_close(run("sce", base, [parent]), parent)
    for share in (0.0, 0.5, 1.0):
        assert torch.equal(run("sce", base, [base, base], select_topk=share), base)


def test_sce_of_very_small_deltas_weighs_them_equally() -> None:
    deltas = [torch.full((4,), 1e-4), torch.full((4,), 3e-4)]
    torch.testing.assert_close(run("sce", torch.zeros(4), deltas), torch.full((4,), 2e-4))


@pytest.mark.parametrize("share", [0.1, 0.9, 1.0])
@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_sce_never_hides_what_is_no_number(share: float, broken: float) -> None:
    base, *parents = tensors(4, (4, 4))
    parents[1][2, 3] = broken
    assert not math.isfinite(run("sce", base, parents, select_topk=share).sum())


@pytest.mark.parametrize("name", ["sce", "arcee_fusion"])
def test_what_is_stored_in_bfloat16_is_merged_in_more(name: str) -> None:
    base, *parents = (one.bfloat16() for one in tensors(2 + (name == "sce"), (6, 7)))
    wide = run(name, base.float(), [one.float() for one in parents], select_topk=0.7)
    assert torch.equal(run(name, base, parents, select_topk=0.7), wide)


@pytest.mark.parametrize("shape", [(30, 7), (50,), (2, 9, 4), (3, 1)])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_arcee_fusion_takes_what_is_important(
    shape: tuple[int, ...], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importance, "_TILE", 20)
    base, parent = tensors(2, shape, seed)
    before, after = (one.double().softmax(dim=-1) for one in (base, parent))
    divergence = torch.nn.functional.kl_div(before.log(), after, reduction="none")
    size = (parent - base).abs() * divergence.sum(dim=-1, keepdim=True)
    ordered = size.flatten().sort().values
    quarter, half, rest = (float(ordered[int(q * (len(ordered) - 1))]) for q in (0.25, 0.5, 0.75))
    # Of rows of one entry none differs: all are equally important.
    taken = size >= half + 1.5 * (rest - quarter)
    merged = run("arcee_fusion", base, [parent])
    torch.testing.assert_close(merged, torch.where(taken, parent, base))
    assert bool(taken.any())


def test_arcee_fusion_of_what_does_not_differ() -> None:
    base, parent = tensors(2, ())
    torch.testing.assert_close(run("arcee_fusion", base, [parent]), parent)
    (same,) = tensors(1, (5, 5))
    assert torch.equal(run("arcee_fusion", same, [same]), same)


def test_arcee_fusion_never_hides_what_is_no_number() -> None:
    for broken in (math.nan, math.inf):
        base, parent = tensors(2, (6, 6))
        parent[1, 1] = broken
        assert bool(run("arcee_fusion", base, [parent])[1].isnan().any())
