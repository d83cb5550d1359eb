"""Spherical linear interpolation of two models (Shoemake 1985, "Animating rotation with
quaternion curves", section 3.3), each tensor as one long vector."""

from __future__ import annotations

import math

from merging.method import Method, Parameter, Pointwise, SearchRange, Site
from merging.methods._sums import combination

# Past this cosine the arc is next to a line, and sin(theta) too small to divide by.
COLLINEAR = 0.9995
TINY_NORM = 1e-8


def merge(site: Site) -> Pointwise:
    """sin((1-t) theta)/sin(theta) * base + sin(t theta)/sin(theta) * parent.

    theta is the angle between the two. Where |cos(theta)| > 0.9995, (1-t) * base + t * parent.
    As in mergekit, a tensor of zeros counts as orthogonal to any other.
    """
    assert site.base is not None
    (first, product), (_, second) = site.gram(deltas=False)
    norms = [norm if norm > TINY_NORM else 1.0 for norm in (math.sqrt(first), math.sqrt(second))]
    shares = arc(site.shared["t"], product / norms[0] / norms[1])
    return combination([site.base, site.parents[0]], shares)


def arc(t: float, cosine: float) -> tuple[float, float]:
    """The shares of the two ends at `t` of the arc between vectors of this cosine."""
    if math.isnan(cosine):
        return (math.nan, math.nan)
    cosine = max(-1.0, min(1.0, cosine))
    if abs(cosine) > COLLINEAR:
        return (1 - t, t)
    theta = math.acos(cosine)
    return math.sin((1 - t) * theta) / math.sin(theta), math.sin(t * theta) / math.sin(theta)


METHOD = Method(
    name="slerp",
    form="tensor",
    summary="a point on the arc from the base to one other model",
    source="Shoemake 1985, Animating rotation with quaternion curves, section 3.3",
    base="required",
    min_parents=1,
    max_parents=1,
    parameters=(
        Parameter(
            "t",
            False,
            None,
            0.0,
            1.0,
            "0 is the base, 1 the other model",
            search=SearchRange(0.0, 1.0, 0.5),
        ),
    ),
    merge=merge,
)
