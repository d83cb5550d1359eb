"""Spherical interpolation with a weight for each of two models, by tensor, row or column (Goddard,
NuSLERP in mergekit; Shoemake 1985, "Animating rotation with quaternion curves", section 3.3)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from merging.method import Method, Parameter, Pointwise, Site
from merging.methods._gram import Array, combined, combined_by_rows, norms
from merging.methods._sums import AVERAGE_WEIGHT

if TYPE_CHECKING:
    from torch import Tensor

# Below this, mergekit takes both weights for equal, and a norm for this much.
TINY_TOTAL = 1e-6
TINY_NORM = 1e-7
# The square of the sine up to which two vectors count as collinear.
COLLINEAR = 1e-7


def merge(site: Site) -> Pointwise | Tensor:
    """sin((1-t) theta)/sin(theta) * v_1 + sin(t theta)/sin(theta) * v_2, t = w_2 / (w_1 + w_2).

    v_k is the k-th model, or with a base its delta, to be added to the base; theta is the angle
    between the two. With `nuslerp_flatten` a tensor is one vector; without, its vectors are those
    along the last dimension, or with `nuslerp_row_wise` along the first.

    Next to collinear vectors, those of sin(theta)^2 <= 1e-7, are joined by a line. mergekit's
    bound is 1e-16, which in its single precision leaves the angles between to rounding. As there,
    t is 1/2 where the weights sum to next to 0, and zeros count as orthogonal to anything.
    """
    first, second = site.per_parent["weight"]
    total = first + second
    factors = partial(arc, second / total if abs(total) >= TINY_TOTAL else 0.5)
    if site.shared["nuslerp_flatten"]:
        return combined(site, factors)
    return combined_by_rows(site, factors, dim=0 if site.shared["nuslerp_row_wise"] else -1)


def arc(t: float, products: Array) -> Array:
    """The factors of two vectors, (..., 2), at `t` of the arc between them; `products` are their
    inner products, (..., 2, 2)."""
    bounded = np.maximum(norms(products), TINY_NORM)
    cosine = np.clip(products[..., 0, 1] / bounded.prod(axis=-1), -1, 1)
    straight = 1 - cosine**2 <= COLLINEAR
    theta = np.arccos(np.where(straight, 0, cosine))[..., None]
    ends = np.array([1 - t, t])
    return np.where(straight[..., None], ends, np.sin(ends * theta) / np.sin(theta))


METHOD = Method(
    name="nuslerp",
    form="tensor",
    summary="a point on the arc between two models, or between their task vectors",
    source="NuSLERP in mergekit; Shoemake 1985, Animating rotation with quaternion curves, 3.3",
    base="optional",
    min_parents=2,
    max_parents=2,
    parameters=(
        AVERAGE_WEIGHT,
        Parameter(
            "nuslerp_row_wise",
            False,
            False,
            None,
            None,
            "without nuslerp_flatten: vectors along the first dimension, not the last",
            "switch",
        ),
        Parameter(
            "nuslerp_flatten", False, True, None, None, "take a tensor as one vector", "switch"
        ),
    ),
    merge=merge,
)
