"""DELLA over task arithmetic (Deep et al., arXiv 2406.11617, section 3)."""

from __future__ import annotations

from merging.method import Method, Pointwise, Site
from merging.methods._della import parameters, pruned
from merging.methods._sparse import added


def merge(site: Site) -> Pointwise:
    """base + lambda * sum_k w_k pruned_k."""
    normalize = bool(site.shared["normalize"])
    return added(site, pruned(site), site.per_parent["weight"], normalize=normalize)


METHOD = Method(
    name="della_linear",
    form="tensor",
    summary="the base plus a weighted sum of changes thinned at random, the smaller the more",
    source="DELLA-Merging, arXiv 2406.11617, section 3",
    base="required",
    min_parents=1,
    max_parents=None,
    parameters=parameters(normalized=False),
    merge=merge,
)
