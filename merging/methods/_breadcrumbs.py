"""Model breadcrumbs: leave out a delta's largest entries and its smallest (Davari and Belilovsky,
arXiv 2312.06795, section 3)."""

from __future__ import annotations

from merging.method import Parameter, SearchRange, Site
from merging.methods._sparse import DENSITY, Selection, band
from merging.methods._sums import INT8_MASK, LAMBDA, WEIGHT, normalize

GAMMA = Parameter(
    "gamma",
    True,
    0.01,
    0.0,
    1.0,
    "share of the delta's largest entries that is left out",
    search=SearchRange(0.0, 0.2, 0.01),
)
RESCALE = Parameter(
    "rescale", False, False, None, None, "scale what is kept to the old L1 norm", "switch"
)
PARAMETERS = (WEIGHT, DENSITY, GAMMA, LAMBDA, normalize(False), RESCALE, INT8_MASK)


def masked(site: Site) -> list[Selection]:
    """Of n entries the int(density * n) after the int(gamma * n) of largest magnitude.

    As in mergekit, fewer of the largest are left out where else fewer would be kept, and at a
    density of 1 none; the paper gives the two shares apart.
    """
    selections = []
    rows = zip(site.per_parent["density"], site.per_parent["gamma"], strict=True)
    for parent, (density, gamma) in enumerate(rows):
        count = site.parents[parent].numel()
        keep = count if density >= 1 else int(density * count)
        skip = min(int(gamma * count), count - keep)
        selections.append(band(site, parent, skip, keep, rescale_l1=bool(site.shared["rescale"])))
    return selections
