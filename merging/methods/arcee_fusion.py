"""Arcee Fusion: take over what matters most of another model (Arcee AI, in mergekit)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from merging.method import Method, Pointwise, Site

if TYPE_CHECKING:
    from torch import Tensor


def merge(site: Site) -> Pointwise:
    """base + delta where an entry is important, else base; see `merging.importance`."""
    assert site.base is not None
    return Pointwise(_fuse, (site.base, site.parents[0], site.important(0)))


def _fuse(tensors: Sequence[Tensor], numbers: Tensor, integers: Tensor, index: Tensor) -> Tensor:
    del numbers, integers, index
    base, parent, important = tensors
    start = base.float()
    return start + (parent.float() - start) * important.float()


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
