"""Which experts of a block are merged with which: a budget for the whole model, spent by use."""

from __future__ import annotations

from collections.abc import Sequence

Table = Sequence[Sequence[float]]


def dominant_counts(frequencies: Table, groups: float) -> list[int]:
    """How many experts each block keeps, of round(groups * blocks) in all.

    `frequencies` has a row a block. Every block keeps its most frequent expert; the others are
    taken by frequency over all blocks, of equal ones the first. Source: arXiv 2310.01334.
    """
    budget = round(groups * len(frequencies))
    rest = sorted(
        (-share, block, expert)
        for block, row in enumerate(frequencies)
        for expert, share in enumerate(row)
        if expert != _by_frequency(row)[0]
    )
    counts = [1] * len(frequencies)
    for _, block, _ in rest[: max(0, budget - len(frequencies))]:
        counts[block] += 1
    return counts


def leaders(frequencies: Sequence[float], similarity: Table, count: int) -> list[int]:
    """For each expert of a block the one whose group it joins.

    The `count` most frequent lead groups; each of the others joins the leader that it is most
    similar to, of equal ones the more frequent. Source: arXiv 2310.01334.
    """
    leading = _by_frequency(frequencies)[:count]
    return [
        expert
        if expert in leading
        else max(leading, key=lambda leader, expert=expert: similarity[expert][leader])  # type: ignore[misc]
        for expert in range(len(frequencies))
    ]


def _by_frequency(row: Sequence[float]) -> list[int]:
    return sorted(range(len(row)), key=lambda expert: (-row[expert], expert))
