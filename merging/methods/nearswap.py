"""NearSwap (alchemonaut, model card of QuartetAnemoi-70B-t0.0001): towards another model where it
is near the base."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from merging.method import Method, Parameter, Pointwise, SearchRange, Site

if TYPE_CHECKING:
    from torch import Tensor

# mergekit's bound on a difference that is divided by.
TINY = 1e-6


def merge(site: Site) -> Pointwise:
    """base + s * (parent - base), s = min(1, t / |parent - base|), by entry."""
    assert site.base is not None
    return Pointwise(_swap, (site.base, site.parents[0]), (site.shared["t"],))


def _swap(tensors: Sequence[Tensor], numbers: Tensor, integers: Tensor, index: Tensor) -> Tensor:
    del integers, index
    base = tensors[0].float()
    delta = tensors[1].float() - base
    share = (numbers[0] / delta.abs().clamp(min=TINY)).clamp(min=0, max=1)
    return base + delta * share


METHOD = Method(
    name="nearswap",
    form="tensor",
    summary="entries of another model that lie near the base's, and steps of t towards the others",
    source="alchemonaut/QuartetAnemoi-70B-t0.0001, model card",
    base="required",
    min_parents=1,
    max_parents=1,
    parameters=(
        Parameter(
            "t",
            False,
            None,
            0.0,
            None,
            "how far an entry may move",
            search=SearchRange(0.0, 0.1, 0.01),
        ),
    ),
    merge=merge,
)
