"""TIES: trim, elect signs, disjoint merge (Yadav et al., arXiv 2306.01708, section 3).

As in mergekit, each tensor is trimmed by itself; the paper trims the whole model at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from merging.method import Method, Parameter, Values
from merging.methods._parts import (
    DENSITY,
    INT8_MASK,
    LAMBDA,
    WEIGHT,
    add_to_base,
    elect,
    match_l1,
    normalize,
    trim,
)

if TYPE_CHECKING:
    from torch import Tensor


def merge(base: Tensor | None, parents: Sequence[Tensor], values: Values) -> Tensor:
    """base + lambda * elect(trim(theta_k - base, density_k), w_k)."""
    assert base is not None
    deltas = []
    for parent, density in zip(parents, values.per_parent["density"], strict=True):
        delta = parent - base
        kept = trim(delta, density)
        deltas.append(match_l1(kept, delta) if values.shared["rescale"] else kept)
    merged = elect(deltas, values.per_parent["weight"], normalized=bool(values.shared["normalize"]))
    return add_to_base(base, merged, values.shared["lambda"])


METHOD = Method(
    name="ties",
    form="tensor",
    summary="the base plus the largest changes, where the parents agree on the sign",
    source="TIES-Merging, arXiv 2306.01708, section 3",
    needs_base=True,
    min_parents=1,
    max_parents=None,
    parameters=(
        WEIGHT,
        DENSITY,
        LAMBDA,
        normalize(True),
        Parameter(
            "rescale", False, False, None, None, "scale what is kept to the old L1 norm", "switch"
        ),
        INT8_MASK,
    ),
    merge=merge,
)
