"""Model breadcrumbs (Davari and Belilovsky, arXiv 2312.06795, section 3) over TIES."""

from __future__ import annotations

from merging.method import Method, Pointwise, Site
from merging.methods._breadcrumbs import PARAMETERS, masked
from merging.methods._sparse import elected


def merge(site: Site) -> Pointwise:
    """base + lambda * elect(masked_k, w_k)."""
    normalize = bool(site.shared["normalize"])
    return elected(site, masked(site), site.per_parent["weight"], normalize=normalize)


METHOD = Method(
    name="breadcrumbs_ties",
    form="tensor",
    summary="changes that are neither outliers nor small, where the parents agree on the sign",
    source="Model breadcrumbs, arXiv 2312.06795, section 3, over TIES",
    base="required",
    min_parents=1,
    max_parents=None,
    parameters=PARAMETERS,
    merge=merge,
)
