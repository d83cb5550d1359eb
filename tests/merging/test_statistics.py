"""Orders, ranks, norms and inner products against plain sorting, and files that are shared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from merging import statistics
from merging.statistics import Source, Statistics

# Few values, so that many magnitudes are equal, and zeros of both signs.
VALUES = st.sampled_from([0.0, -0.0, 0.5, -0.5, 1.0, -2.0, 3e-42, 1e30])


def pair(delta: Tensor, base: Tensor | None = None) -> tuple[Source, Source]:
    start = torch.zeros_like(delta) if base is None else base
    return Source("base", start), Source("parent", start + delta)


def plain_order(delta: Tensor) -> list[int]:
    sizes = delta.abs().flatten().tolist()
    return sorted(range(len(sizes)), key=lambda place: (-sizes[place], place))


@given(values=st.lists(VALUES, min_size=1, max_size=60))
@settings(deadline=None, max_examples=60)
def test_order_is_by_magnitude_then_place(values: list[float]) -> None:
    delta = torch.tensor(values)
    assert statistics.order(*pair(delta)).tolist() == plain_order(delta)


def test_order_of_a_tensor_sorted_in_several_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "_SORTED_AT_ONCE", 100)
    monkeypatch.setattr(statistics, "_TILE", 333)
    generator = torch.Generator().manual_seed(0)
    delta = torch.randn(5000, generator=generator).bfloat16().float()
    delta[1000:2500] = 0
    assert statistics.order(*pair(delta)).tolist() == plain_order(delta)


def test_what_is_important_is_found_once_and_kept_in_a_file(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(4)
    base, delta = torch.randn(2, 300, 300, generator=generator)
    sources = pair(delta, base)
    found = Statistics(tmp_path).important(*sources)
    assert 0 < int(found.sum()) < found.numel() / 2
    # Of the same names nothing is computed again, even from other tensors.
    other = Source("base", torch.zeros(300, 300)), Source("parent", torch.zeros(300, 300))
    assert torch.equal(Statistics(tmp_path).important(*other), found)
    assert not torch.equal(Statistics().important(*other), found)


@pytest.mark.parametrize("count", [1, 7, 1024, 1025, 3000])
def test_cut_and_l1_are_those_of_the_first_entries(count: int) -> None:
    generator = torch.Generator().manual_seed(1)
    base, delta = torch.randn(2, 3000, generator=generator)
    first, second = pair(delta, base)
    ranking = Statistics().ranking(first, second)
    exact = second.tensor - base
    places = plain_order(exact)
    assert ranking.cut(count) == (float(exact.abs()[places[count - 1]]), places[count - 1])
    total = float(exact.abs()[places[:count]].double().sum())
    assert ranking.l1(count) == pytest.approx(total, rel=1e-12)
    assert ranking.l1(0) == 0


@pytest.mark.parametrize("shape", [(), (5,), (4, 9), (2, 3, 5), (3, 40_000)])
def test_row_ranks(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(2)
    delta = torch.randn(shape, generator=generator).mul(4).round()
    ranks = Statistics().row_ranks(*pair(delta)).long()
    assert isinstance(ranks, Tensor)
    rows = delta.abs().reshape(-1, shape[-1] if shape else 1)
    expected = rows.argsort(dim=1, stable=True).argsort(dim=1)
    assert torch.equal(ranks.reshape(rows.shape), expected)


@given(values=st.lists(VALUES, min_size=1, max_size=40), data=st.data())
@settings(deadline=None, max_examples=60)
def test_magnitude_of_a_rank_over_several_tensors(values: list[float], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(values)))
    rank = data.draw(st.integers(1, len(values)))
    parts = [torch.tensor(part) for part in (values[:cut], values[cut:])]
    pairs = [
        (Source(f"base{i}", torch.zeros_like(part)), Source(f"parent{i}", part))
        for i, part in enumerate(parts)
    ]
    expected = np.sort(np.abs(np.array(values, np.float32)))[rank - 1]
    assert Statistics().magnitude(pairs, rank) == expected


@given(rows=st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=40))
@settings(deadline=None, max_examples=60)
def test_variance_ranks_are_by_variance_then_place(rows: list[tuple[float, ...]]) -> None:
    tensors = torch.tensor(rows).T
    ranks, varying = Statistics().variance_ranks(
        [Source(str(number), tensor) for number, tensor in enumerate(tensors)]
    )
    spread = tensors.double().var(dim=0, correction=0).float()
    assert torch.equal(ranks.argsort(), spread.argsort(stable=True, descending=True))
    assert varying == int(spread.count_nonzero())


def test_variance_ranks_put_first_what_is_no_number() -> None:
    first = torch.tensor([1.0, float("inf"), 2.0, float("nan")])
    ranks, varying = Statistics().variance_ranks(
        [Source("first", first), Source("second", torch.zeros(4))]
    )
    assert set(ranks[[1, 3]].tolist()) == {0, 1}
    assert varying == 4


def test_gram_of_tensors_and_of_deltas() -> None:
    generator = torch.Generator().manual_seed(3)
    base, *parents = torch.randn(4, 6, 7, generator=generator).bfloat16()
    sources = [Source(str(i), one) for i, one in enumerate(parents)]
    kept = Statistics()
    rows = torch.stack(parents).double().reshape(3, -1)
    torch.testing.assert_close(torch.tensor(kept.gram(sources)).double(), rows @ rows.T)
    rows -= base.double().reshape(-1)
    grams = torch.tensor(kept.gram(sources, Source("base", base)))
    torch.testing.assert_close(grams.double(), rows @ rows.T)


def test_large_statistics_are_computed_once_for_all_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delta = torch.randn(1 << 17, generator=torch.Generator().manual_seed(4))
    first = Statistics(tmp_path).ranking(*pair(delta)).cut(100)
    assert len(list(tmp_path.iterdir())) == 1
    monkeypatch.setattr(statistics, "order", None)
    assert Statistics(tmp_path).ranking(*pair(delta)).cut(100) == first


def test_without_a_folder_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    delta = torch.randn(1 << 17, generator=torch.Generator().manual_seed(4))
    ranking = Statistics().ranking(*pair(delta))
    assert list(tmp_path.iterdir()) == []
    assert ranking.cut(1)[0] == float(delta.abs().max())
