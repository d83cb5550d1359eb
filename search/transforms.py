"""How a gene holds a number: as it is, as its logarithm, or as its log-odds.

A sampler takes steps in the gene. On a log scale a step multiplies the number; on a logit scale it
multiplies its odds, so that a share near 0 or near 1 is searched as finely as it matters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from search.gene import Gene
from search.parameter_spec import Scale


@dataclass(frozen=True)
class Interval:
    """The numbers from `low` to `high`, on a scale: x, ln x (of x > 0), or ln(x / (1 - x)) (of
    0 < x < 1)."""

    low: float
    high: float
    scale: Scale = "linear"

    def gene(self, name: str, start: float) -> Gene:
        """A gene for a number of the interval that starts at `start`."""
        return Gene(name, self.to_gene(self.low), self.to_gene(self.high), self.to_gene(start))

    def value(self, gene: float) -> float:
        """The number that a gene holds. At its bounds it is `low` or `high` to the last digit,
        between them `to_gene` back up to rounding."""
        if gene <= self.to_gene(self.low):
            return self.low
        if gene >= self.to_gene(self.high):
            return self.high
        if self.scale == "log":
            return math.exp(gene)
        return 1 / (1 + math.exp(-gene)) if self.scale == "logit" else gene

    def to_gene(self, value: float) -> float:
        """The gene of a number. Raises ValueError for one outside the interval."""
        if not self.low <= value <= self.high:
            raise ValueError(f"{value} lies outside {self.low:g} to {self.high:g}")
        if self.scale == "log":
            return math.log(value)
        return math.log(value / (1 - value)) if self.scale == "logit" else value
