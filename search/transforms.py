"""How a gene holds a number: as it is, as its logarithm, or as its log-odds.

A sampler takes steps in the gene. On a log scale a step multiplies the number; on a logit scale it
multiplies its odds, so that a share near 0 or near 1 is searched as finely as it matters.
"""

from __future__ import annotations

import math
from typing import Literal

Scale = Literal["linear", "log", "logit"]


def to_gene(value: float, scale: Scale) -> float:
    """The gene of a number: x, ln x (of x > 0), or ln(x / (1 - x)) (of 0 < x < 1)."""
    if scale == "log":
        return math.log(value)
    return math.log(value / (1 - value)) if scale == "logit" else value


def from_gene(gene: float, scale: Scale) -> float:
    """The number that a gene holds; `to_gene` back, up to rounding."""
    if scale == "log":
        return math.exp(gene)
    return 1 / (1 + math.exp(-gene)) if scale == "logit" else gene
