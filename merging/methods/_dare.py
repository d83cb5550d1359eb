"""DARE: drop entries of a delta at random, rescale (Yu et al., arXiv 2311.03099, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from merging.method import Values
from merging.methods._parts import (
    DENSITY,
    INT8_MASK,
    LAMBDA,
    RESCALE,
    RESCALE_L1,
    SEED,
    WEIGHT,
    drop,
    match_l1,
    normalize,
)

if TYPE_CHECKING:
    from torch import Tensor

PARAMETERS = (WEIGHT, DENSITY, LAMBDA, normalize(False), RESCALE, RESCALE_L1, SEED, INT8_MASK)


def dropped_deltas(base: Tensor, parents: Sequence[Tensor], values: Values) -> list[Tensor]:
    """mask_k * (theta_k - base), with `rescale` divided by density_k.

    With `rescale_l1` too, scaled to the L1 norm of the whole delta, which is mergekit's rule: the
    same on average, another factor in each draw. A density of 1 draws nothing.
    """
    deltas = []
    for index, (parent, density) in enumerate(
        zip(parents, values.per_parent["density"], strict=True)
    ):
        delta = parent - base
        if density < 1:
            kept = drop(delta, density, values.uniform(index))
            if values.shared["rescale"] and values.shared["rescale_l1"]:
                kept = match_l1(kept, delta)
            elif values.shared["rescale"] and density > 0:
                kept = kept.div_(density)
            delta = kept
        deltas.append(delta)
    return deltas
