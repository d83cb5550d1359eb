"""A gene, and what a genome is."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from search.errors import SpaceError

Value = TypeVar("Value")
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


def within_bounds(genes: Sequence[Gene], genome: Sequence[float]) -> list[float]:
    """The genome, clipped into the genes' bounds.

    Raises SpaceError for a genome of another length, or with a number that is none.
    """
    if len(genome) != len(genes):
        raise SpaceError(f"the genome has {len(genome)} genes, the space {len(genes)}")
    if any(math.isnan(value) for value in genome):
        raise SpaceError("the genome holds NaN")
    return [gene.clip(float(value)) for gene, value in zip(genes, genome, strict=True)]


def levels_gene(name: str, count: int, initial: float = 0.5, *, ordered: bool) -> Gene:
    """A gene from 0 to 1 that is cut into `count` equal levels."""
    return Gene(name, 0.0, 1.0, initial, _edges(count), ordered=ordered)


def chosen(values: Sequence[Value], gene: float) -> Value:
    """Which of the values a gene of as many levels stands for."""
    return values[bisect_right(_edges(len(values)), gene)]


def choosing(values: Sequence[Value], value: Value) -> float:
    """A gene that stands for the value: the middle of its level. Raises ValueError where the value
    is not among them."""
    return (values.index(value) + 0.5) / len(values)


def _edges(count: int) -> tuple[float, ...]:
    return tuple(place / count for place in range(1, count))
