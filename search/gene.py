"""A gene, and what a genome is."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

Genome = tuple[float, ...]
"""One number a gene, in the order of the space's genes and within their bounds."""


@dataclass(frozen=True)
class Gene:
    """One number that is searched.

    `name` says what it decides, such as `maths.weight[layers 0-1]`. `low <= initial <= high`, and
    `low < high`.

    The gene of a switch, a choice or a whole number has `edges`: between two neighbouring ones all
    numbers mean the same, which is a level. They rise, strictly between the bounds. Levels are
    `ordered` unless they are the options of a choice, of which none lies between two others.
    """

    name: str
    low: float
    high: float
    initial: float
    edges: tuple[float, ...] = ()
    ordered: bool = True

    def clip(self, value: float) -> float:
        """The number within the bounds that is nearest to `value`."""
        return min(max(value, self.low), self.high)

    def level(self, value: float) -> int:
        """Which level a number stands for: 0, ..., len(edges)."""
        return bisect_right(self.edges, value)

    def middle(self, level: int) -> float:
        """The number in the middle of a level."""
        ends = (self.low, *self.edges, self.high)
        return (ends[level] + ends[level + 1]) / 2
