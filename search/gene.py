"""A gene, and what a genome is."""

from __future__ import annotations

from dataclasses import dataclass

Genome = tuple[float, ...]
"""One number a gene, in the order of the space's genes and within their bounds."""


@dataclass(frozen=True)
class Gene:
    """One number that is searched.

    `name` says what it decides, such as `maths.weight[layers 0-1]`. `low <= initial <= high`, and
    `low < high`.
    """

    name: str
    low: float
    high: float
    initial: float

    def clip(self, value: float) -> float:
        """The number within the bounds that is nearest to `value`."""
        return min(max(value, self.low), self.high)
