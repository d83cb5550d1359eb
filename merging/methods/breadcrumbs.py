"""Model breadcrumbs (Davari and Belilovsky, arXiv 2312.06795, section 3)."""

from __future__ import annotations

from merging.method import Method, Pointwise, Site
from merging.methods._breadcrumbs import PARAMETERS, masked
from merging.methods._sparse import added


def merge(site: Site) -> Pointwise:
    """base + lambda * sum_k w_k masked_k."""
    normalize = bool(site.shared["normalize"])
    return added(site, masked(site), site.per_parent["weight"], normalize=normalize)


METHOD = Method(
    name="breadcrumbs",
    form="tensor",
    summary="the base plus a weighted sum of changes that are neither outliers nor small",
    source="Model breadcrumbs, arXiv 2312.06795, section 3",
    base="required",
    min_parents=1,
    max_parents=None,
    parameters=PARAMETERS,
    merge=merge,
)
