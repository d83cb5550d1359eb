"""SCE: select, calculate, erase (Wan et al., FuseChat, arXiv 2408.07990)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from merging.method import Method, Parameter, Pointwise, SearchRange, Site
from merging.methods._sums import INT8_MASK

if TYPE_CHECKING:
    from torch import Tensor

# mergekit's bounds: the mean squares' sum below which the weights are equal, and the divisor.
TINY_SQUARES = 1e-6
TINY_DIVISOR = 1e-6


def merge(site: Site) -> Pointwise:
    """base + sum_k w_k s_k / sum_k w_k, over the parents whose s_k has the elected sign.

    Select: s_k is theta_k - base at those entries whose variance over the parents is largest, and
    0 elsewhere; `select_topk` is their share of the entries that vary at all. Calculate: w_k is
    the mean of s_k squared, divided by the sum over k; all are equal where that sum is below 1e-6,
    which in mergekit's way holds for most tensors of models that were fine-tuned gently. Erase:
    an entry's sign is that of sum_k s_k, and 0 is positive.

    As in mergekit only selected entries are merged (FuseChat's code selects them for the weights
    alone). Of equal variances the first are selected.
    """
    assert site.base is not None
    tensors = (site.base, *site.parents)
    integers: tuple[int, ...] = ()
    count, share = len(site.parents), site.shared["select_topk"]
    if share >= 1:
        squares = [row[place] for place, row in enumerate(site.gram(deltas=True))]
    else:
        ranks, varying = site.variance_ranks()
        # In single precision, as mergekit counts.
        integers = (int(np.float32(varying) * np.float32(share)),)
        squares = [
            site.sum(Pointwise(_squares, (site.base, parent, ranks), (), integers))
            for parent in site.parents
        ]
        tensors = (*tensors, ranks)
    total = sum(squares)
    # A NaN is not small.
    equal = total / site.base.numel() < TINY_SQUARES
    weights = tuple(1 / count if equal else one / total for one in squares)
    return Pointwise(_merge, tensors, weights, integers, (("count", count),))


def _squares(tensors: Sequence[Tensor], numbers: Tensor, integers: Tensor, index: Tensor) -> Tensor:
    del numbers, index
    base, parent, ranks = tensors
    selected = (parent.float() - base.float()) * (ranks < integers[0]).float()
    return selected * selected


def _merge(
    tensors: Sequence[Tensor], numbers: Tensor, integers: Tensor, index: Tensor, *, count: int
) -> Tensor:
    del index
    base = tensors[0].float()
    selected = [parent.float() - base for parent in tensors[1 : 1 + count]]
    if len(tensors) > 1 + count:
        chosen = (tensors[1 + count] < integers[0]).float()
        selected = [one * chosen for one in selected]
    sign = (_total(selected) >= 0).float() * 2 - 1
    # The magnitude where the signs agree, else 0. A NaN stays one, to be seen.
    agreeing = [(one * sign).clamp(min=0) for one in selected]
    merged = _total([one * numbers[place] for place, one in enumerate(agreeing)])
    divisor = _total([(one > 0).float() * numbers[place] for place, one in enumerate(agreeing)])
    return base + merged * sign / divisor.clamp(min=TINY_DIVISOR)


def _total(tensors: Sequence[Tensor]) -> Tensor:
    total = tensors[0]
    for tensor in tensors[1:]:
        total = total + tensor
    return total


METHOD = Method(
    name="sce",
    form="tensor",
    summary="the base plus the changes that vary most, weighted by size, where signs agree",
    source="FuseChat, arXiv 2408.07990",
    base="required",
    min_parents=1,
    max_parents=None,
    parameters=(
        Parameter(
            "select_topk",
            False,
            1.0,
            0.0,
            1.0,
            "share of the entries that vary between parents that is merged",
            search=SearchRange(0.05, 1.0, 0.5),
        ),
        INT8_MASK,
    ),
    merge=merge,
)
