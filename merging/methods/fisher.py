"""Fisher-weighted averaging (Matena and Raffel, arXiv 2111.09832, section 3)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from merging.errors import CalibrationError, NonFiniteError
from merging.method import Method, Parameter, Pointwise, SearchRange, Site, Statistic, Survey

if TYPE_CHECKING:
    from torch import Tensor

WEIGHT = Parameter(
    "weight",
    True,
    1.0,
    0.0,
    None,
    "this model's share, beside what its Fisher information says",
    search=SearchRange(0.0, 1.0, 0.5),
)
NORMALIZE = Parameter(
    "normalize_fisher",
    False,
    True,
    None,
    None,
    "divide each model's Fisher information by its L2 norm over the whole model",
    "switch",
    varies=False,
)
FLOOR = Parameter(
    "floor", False, 1e-6, 0.0, None, "the least Fisher information of an entry", varies=False
)
FAVOR_TARGET = Parameter(
    "favor_target",
    False,
    True,
    None,
    None,
    "raise only the first model's Fisher information to the floor: where no model has any, the "
    "first one's entry is taken",
    "switch",
    varies=False,
)

# Squares that are added up at a time.
TILE = 1 << 20


def prepare(survey: Survey) -> list[float]:
    """What each parent's Fisher information is multiplied by: 1, or one over its L2 norm over all
    of the child's tensors; 1 where the norm is 0."""
    site = next(iter(survey.sites()))
    count = len(site.parents)
    if not site.shared["normalize_fisher"]:
        return [1.0] * count
    return survey.remember("scales", lambda: _scales(survey, count))


def merge(site: Site) -> Pointwise:
    """sum_j w_j s_j F_j theta_j / sum_j w_j s_j F_j.

    F_j is model j's diagonal Fisher information raised to the floor (with `favor_target` only the
    first model's), s_j one over its norm before that, as in the released code. Where the
    denominator is 0, for want of a floor, the first model's entry is taken. Memory beside the
    parents: 4 bytes an entry and parent, mapped from a file.

    Raises NonFiniteError where the weights are all 0, CalibrationError where the information is of
    another shape than the tensor: that of a model with another vocabulary than the child's.
    """
    weights = site.per_parent["weight"]
    assert isinstance(site.prepared, list)
    if not any(weights):
        raise NonFiniteError("the weights are all 0, and fisher would divide by their sum")
    information = [site.statistic(parent) for parent in range(len(site.parents))]
    if any(one.shape != site.parents[0].shape for one in information):
        message = f"the Fisher information of {site.name!r} is not of the tensor's shape"
        raise CalibrationError(message)
    factors = [weight * scale for weight, scale in zip(weights, site.prepared, strict=True)]
    return Pointwise(
        _merge,
        (*site.parents, *information),
        (*factors, site.shared["floor"]),
        options=(("favor_target", bool(site.shared["favor_target"])),),
    )


def _scales(survey: Survey, count: int) -> list[float]:
    squares = [0.0] * count
    for site in survey.sites():
        for parent in range(count):
            flat = site.statistic(parent).reshape(-1)
            for start in range(0, flat.numel(), TILE):
                squares[parent] += float(flat[start : start + TILE].double().square().sum())
    return [1 / math.sqrt(square) if square > 0 else 1.0 for square in squares]


def _merge(
    tensors: Sequence[Tensor],
    numbers: Tensor,
    integers: Tensor,
    index: Tensor,
    *,
    favor_target: bool,
) -> Tensor:
    del integers, index
    count = len(tensors) // 2
    first = tensors[0].float()
    above = first * 0
    below = first * 0
    for place in range(count):
        information = tensors[count + place].float()
        if place == 0 or not favor_target:
            information = information.clamp(min=numbers[count])
        share = information * numbers[place]
        above = above + share * tensors[place].float()
        below = below + share
    # A NaN in any of the models is one above, and stays one.
    nothing = (below == 0).float()
    return (above + first * nothing) / (below + nothing)


METHOD = Method(
    name="fisher",
    form="prepared",
    summary="average of the models, each entry weighted by how much the model's answers hang on it",
    source="Fisher-weighted averaging, arXiv 2111.09832, section 3",
    base="none",
    min_parents=1,
    max_parents=None,
    parameters=(WEIGHT, NORMALIZE, FLOOR, FAVOR_TARGET),
    merge=merge,
    prepare=prepare,
    statistic=Statistic("fisher"),
)
