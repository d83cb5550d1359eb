"""DARE over task arithmetic (Yu et al., arXiv 2311.03099, section 3.2)."""

from __future__ import annotations

from merging.method import Method, Pointwise, Site
from merging.methods._dare import PARAMETERS, dropped
from merging.methods._sparse import added


def merge(site: Site) -> Pointwise:
    """base + lambda * sum_k w_k dropped_k."""
    normalize = bool(site.shared["normalize"])
    return added(site, dropped(site), site.per_parent["weight"], normalize=normalize)


METHOD = Method(
    name="dare_linear",
    form="tensor",
    summary="the base plus a weighted sum of randomly thinned changes",
    source="DARE, arXiv 2311.03099, section 3.2, over task arithmetic",
    base="required",
    min_parents=1,
    max_parents=None,
    parameters=PARAMETERS,
    merge=merge,
)
