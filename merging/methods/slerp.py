"""Spherical linear interpolation of two models (Shoemake 1985, "Animating rotation with
quaternion curves", section 3.3), each tensor as one long vector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from merging.method import Method, Parameter, Values

if TYPE_CHECKING:
    from torch import Tensor

# Past this cosine the arc is next to a line, and sin(theta) too small to divide by.
COLLINEAR = 0.9995
TINY_NORM = 1e-8


def merge(base: Tensor | None, parents: Sequence[Tensor], values: Values) -> Tensor:
    """sin((1-t) theta)/sin(theta) * base + sin(t theta)/sin(theta) * parent.

    theta is the angle between the two. Where |cos(theta)| > 0.9995, (1-t) * base + t * parent.
    As in mergekit, a tensor of zeros counts as orthogonal to any other.
    """
    assert base is not None
    (parent,) = parents
    t = values.shared["t"]
    norms = [float(tensor.norm()) for tensor in (base, parent)]
    first, second = (norm if norm > TINY_NORM else 1.0 for norm in norms)
    # Divided first: a product of unscaled numbers could overflow.
    cosine = max(-1.0, min(1.0, float(((base / first) * (parent / second)).sum())))
    if abs(cosine) > COLLINEAR:
        shares = (1 - t, t)
    else:
        theta = math.acos(cosine)
        shares = (
            math.sin((1 - t) * theta) / math.sin(theta),
            math.sin(t * theta) / math.sin(theta),
        )
    return (base * shares[0]).add_(parent, alpha=shares[1])


METHOD = Method(
    name="slerp",
    form="tensor",
    summary="a point on the arc from the base to one other model",
    source="Shoemake 1985, Animating rotation with quaternion curves, section 3.3",
    needs_base=True,
    min_parents=1,
    max_parents=1,
    parameters=(Parameter("t", False, None, 0.0, 1.0, "0 is the base, 1 the other model"),),
    merge=merge,
)
