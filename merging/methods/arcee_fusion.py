"""Arcee Fusion: take over what matters most of another model (Arcee AI, in mergekit)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from merging.method import Method, Pointwise, Site

if TYPE_CHECKING:
    from torch import Tensor

# mergekit's addition to each probability.
TINY = 1e-8

# Entries whose importance is computed at a time.
_TILE = 1 << 20


def merge(site: Site) -> Pointwise:
    """base + delta where importance >= threshold, else base.

    importance = |delta| * KL(softmax(parent) || softmax(base)), with softmax and divergence along
    the last dimension; threshold = median + 1.5 * (third quartile - first), of the tensor.

    Where little differs the divergence is next to rounding, and the choice of entries with it: it
    is computed in single precision in mergekit's order, to choose the same. The quartiles are of
    all entries; mergekit draws a million at random from larger tensors. Takes two to three times
    the tensor's memory in float32.
    """
    assert site.base is not None
    base, parent = site.base, site.parents[0]
    importance = _importance(base, parent)
    last = importance.numel() - 1
    # Of a sorted tensor the entries at a quarter, half and three quarters, rounded down.
    first, median, third = (
        float(importance.kthvalue(1 + quarters * last // 4).values) for quarters in (1, 2, 3)
    )
    return Pointwise(_fuse, (base, parent, importance), (median + 1.5 * (third - first),))


def _importance(base: Tensor, parent: Tensor) -> Tensor:
    """The importance of each entry, flat, in float32."""
    columns = parent.shape[-1] if parent.dim() else 1
    first, second = base.reshape(-1, columns), parent.reshape(-1, columns)
    importance = first[:0].float().new_empty(first.shape)
    at_once = max(1, _TILE // columns)
    for start in range(0, len(first), at_once):
        part = slice(start, start + at_once)
        old, new = first[part].float(), second[part].float()
        before, after = old.softmax(dim=-1) + TINY, new.softmax(dim=-1) + TINY
        divergence = (after * (after / before).log()).sum(dim=-1, keepdim=True)
        importance[part] = (new - old).abs() * divergence
    return importance.reshape(-1)


def _fuse(tensors: Sequence[Tensor], numbers: Tensor, integers: Tensor, index: Tensor) -> Tensor:
    del integers, index
    base, parent, importance = tensors
    start = base.float()
    return start + (parent.float() - start) * (importance >= numbers[0]).float()


METHOD = Method(
    name="arcee_fusion",
    form="tensor",
    summary="the base with those entries of another model that change its rows the most",
    source="Arcee Fusion in mergekit, arcee.ai",
    base="required",
    min_parents=1,
    max_parents=1,
    parameters=(),
    merge=merge,
)
