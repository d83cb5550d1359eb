"""DARE over TIES (Yu et al., arXiv 2311.03099, section 3.2)."""

from __future__ import annotations

from merging.method import Method, Pointwise, Site
from merging.methods._dare import PARAMETERS, dropped
from merging.methods._sparse import elected


def merge(site: Site) -> Pointwise:
    """base + lambda * elect(dropped_k, w_k)."""
    normalize = bool(site.shared["normalize"])
    return elected(site, dropped(site), site.per_parent["weight"], normalize=normalize)


METHOD = Method(
    name="dare_ties",
    form="tensor",
    summary="randomly thinned changes, where the parents agree on the sign",
    source="DARE, arXiv 2311.03099, section 3.2, over TIES",
    base="required",
    min_parents=1,
    max_parents=None,
    parameters=PARAMETERS,
    merge=merge,
)
