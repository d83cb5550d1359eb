"""DELLA: drop a delta's entries at random, small ones more often (Deep et al., arXiv 2406.11617,
section 3: MagPrune)."""

from __future__ import annotations

from merging.method import Parameter, SearchRange, Site
from merging.methods._dare import RESCALE, RESCALE_L1
from merging.methods._sparse import DENSITY, SEED, Selection, match_l1
from merging.methods._sums import INT8_MASK, LAMBDA, WEIGHT, normalize

EPSILON = Parameter(
    "epsilon",
    True,
    0.15,
    0.0,
    0.5,
    "how far an entry's chance to be kept may be from the density",
    search=SearchRange(0.0, 0.25, 0.15),
)


def parameters(*, normalized: bool) -> tuple[Parameter, ...]:
    """DELLA's parameters; `normalized` is the default of `normalize`."""
    return (
        WEIGHT,
        DENSITY,
        EPSILON,
        LAMBDA,
        normalize(normalized),
        RESCALE,
        RESCALE_L1,
        SEED,
        INT8_MASK,
    )


def pruned(site: Site) -> list[Selection]:
    """mask_k * (theta_k - base), where an entry's chance to be kept grows with its magnitude.

    From density - epsilon for the smallest of a row to density + epsilon for the largest, in equal
    steps by rank. With `rescale` each kept entry is divided by its own chance (section 3, step 3);
    with `rescale_l1` too, the delta is scaled to its old L1 norm instead, which is mergekit's rule.
    An epsilon that would leave [0, 1] is cut to what fits; mergekit refuses it.
    """
    selections = []
    rows = zip(site.per_parent["density"], site.per_parent["epsilon"], strict=True)
    divide = bool(site.shared["rescale"]) and not site.shared["rescale_l1"]
    for parent, (density, wanted) in enumerate(rows):
        epsilon = min(wanted, density, 1 - density)
        shape = site.parents[parent].shape
        columns = shape[-1] if shape else 1
        # A row of one entry has no rank to go by.
        lowest, step = (
            (density - epsilon, 2 * epsilon / (columns - 1)) if columns > 1 else (density, 0.0)
        )
        selection = Selection(
            "ranked", probability=lowest, step=step, key=site.key(parent), divide=divide
        )
        if 0 < density < 1 and site.shared["rescale"] and site.shared["rescale_l1"]:
            selection = match_l1(site, parent, selection)
        selections.append(selection)
    return selections
