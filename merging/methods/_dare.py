"""DARE: drop entries of a delta at random, rescale (Yu et al., arXiv 2311.03099, section 3.2)."""

from __future__ import annotations

from merging.method import Parameter, Site
from merging.methods._sparse import DENSITY, SEED, Selection, match_l1
from merging.methods._sums import INT8_MASK, LAMBDA, WEIGHT, normalize

RESCALE = Parameter(
    "rescale", False, True, None, None, "whether what is kept makes up for what is not", "switch"
)
RESCALE_L1 = Parameter(
    "rescale_l1",
    False,
    False,
    None,
    None,
    "rescale to the delta's L1 norm, as mergekit does, and not by 1/density (Cuvee's own key)",
    "switch",
)
PARAMETERS = (WEIGHT, DENSITY, LAMBDA, normalize(False), RESCALE, RESCALE_L1, SEED, INT8_MASK)


def dropped(site: Site) -> list[Selection]:
    """mask_k * (theta_k - base), with `rescale` divided by density_k.

    With `rescale_l1` too, scaled to the L1 norm of the whole delta, which is mergekit's rule: the
    same on average, another factor in each draw. A mask keeps the entries whose random number is
    below the density, so that a higher density keeps those of a lower one and more.
    """
    selections = []
    for parent, density in enumerate(site.per_parent["density"]):
        selection = Selection("random", probability=density, key=site.key(parent))
        if density < 1 and site.shared["rescale"]:
            if site.shared["rescale_l1"]:
                selection = match_l1(site, parent, selection)
            elif density > 0:
                selection = selection.scaled(1 / density)
        selections.append(selection)
    return selections
