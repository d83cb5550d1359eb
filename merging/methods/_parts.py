"""What several methods share: parameters, sparsifying a delta, and adding deltas up.

Formulas follow the papers in their released code; where that and mergekit 0.1.5 differ, mergekit
is followed, so that a recipe means the same in both, and the docstring says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from merging.method import Parameter

if TYPE_CHECKING:
    from torch import Tensor

# Below this, mergekit takes a norm, or a sum of weights, for zero.
TINY_NORM = 1e-7
TINY_SUM = 1e-8

WEIGHT = Parameter("weight", True, 1.0, None, None, "how much of this parent is added")
DENSITY = Parameter("density", True, 1.0, 0.0, 1.0, "share of the delta's entries that is kept")
LAMBDA = Parameter("lambda", False, 1.0, None, None, "factor on the merged delta")
INT8_MASK = Parameter(
    "int8_mask", False, False, None, None, "read for mergekit's sake; changes nothing", "switch"
)
SEED = Parameter(
    "random_seed", False, 0, 0, None, "seed of the random masks (Cuvee's own key)", "seed"
)
RESCALE = Parameter(
    "rescale", False, True, None, None, "whether what is kept makes up for what is not", "switch"
)
RESCALE_L1 = Parameter(
    "rescale_l1",
    False,
    False,
    None,
    None,
    "rescale to the delta's L1 norm, as mergekit does, and not by 1/density (Cuvee's own key)",
    "switch",
)


def normalize(default: bool) -> Parameter:
    """The switch that divides the merged value by the sum of the weights."""
    summary = "divide by the sum of the weights"
    return Parameter("normalize", False, default, None, None, summary, "switch")


def trim(delta: Tensor, density: float) -> Tensor:
    """Keep the max(1, int(density * n)) entries of largest magnitude, the rest becomes 0.

    Of entries equal in magnitude the first are kept. The count is mergekit's; the released code
    of TIES (arXiv 2306.01708) keeps one more, and all that equal the smallest kept.
    """
    count = delta.numel()
    if density >= 1 or count == 0:
        return delta
    if density <= 0:
        return delta * 0
    keep = max(1, int(density * count))
    magnitude = delta.abs().flatten()
    threshold = _smallest(magnitude, count - keep)
    mask = magnitude > threshold
    equal = magnitude == threshold
    room = keep - int(mask.sum())
    if int(equal.sum()) > room:
        equal &= equal.cumsum(0) <= room
    mask |= equal
    return delta * mask.view_as(delta)


def drop(delta: Tensor, density: float, uniform: Tensor) -> Tensor:
    """Keep the entries whose random number is below `density`, the rest becomes 0.

    With the same random numbers, the entries kept at one density are all kept at a higher one.
    """
    return delta * (uniform < density)


def match_l1(kept: Tensor, before: Tensor) -> Tensor:
    """Scale `kept` to the L1 norm of `before`, unless either norm is next to nothing."""
    norm, left = float(before.abs().sum()), float(kept.abs().sum())
    return kept if min(norm, left) < TINY_NORM else kept * (norm / left)


def add_up(deltas: Sequence[Tensor], weights: Sequence[float], *, normalized: bool) -> Tensor:
    """sum_k w_k delta_k, divided by sum_k w_k if `normalized` and that sum is not next to 0."""
    merged = deltas[0] * weights[0]
    for delta, weight in zip(deltas[1:], weights[1:], strict=True):
        merged.add_(delta, alpha=weight)
    total = sum(weights)
    return merged.div_(total) if normalized and abs(total) >= TINY_SUM else merged


def elect(deltas: Sequence[Tensor], weights: Sequence[float], *, normalized: bool) -> Tensor:
    """TIES's election and disjoint merge (arXiv 2306.01708, section 3).

    An entry's sign is that of sum_k w_k delta_k; only the parents of that sign are added, and
    if `normalized`, divided by the sum of their weights. As in mergekit, a sum of exactly 0
    counts as positive (the released code gives it the sign of the majority of entries).
    """
    weighted = [delta * weight for delta, weight in zip(deltas, weights, strict=True)]
    total = weighted[0].clone()
    for one in weighted[1:]:
        total.add_(one)
    sign = (total >= 0).to(total.dtype).mul_(2).sub_(1)
    merged, divisor = total.zero_(), total.new_zeros(total.shape)
    for one, weight in zip(weighted, weights, strict=True):
        # The magnitude where the signs agree, else 0. A NaN stays one, to be seen.
        agreeing = one.mul_(sign).clamp_(min=0)
        merged.add_(agreeing)
        if normalized:
            divisor.add_(agreeing.sign_(), alpha=weight)
    merged.mul_(sign)
    return merged.div_(divisor.masked_fill_(divisor == 0, 1)) if normalized else merged


def add_to_base(base: Tensor, merged: Tensor, factor: float) -> Tensor:
    """base + factor * merged. `merged` is used up."""
    return merged.mul_(factor).add_(base)


def _smallest(values: Tensor, rank: int) -> float:
    """The value of this rank, from 0, in ascending order."""
    if values.device.type == "cpu":
        # Many times faster than kthvalue.
        return float(np.partition(values.detach().numpy(), rank)[rank])
    return float(values.kthvalue(rank + 1).values)
