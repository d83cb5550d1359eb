"""DELLA over TIES (Deep et al., arXiv 2406.11617, section 3)."""

from __future__ import annotations

from merging.method import Method, Pointwise, Site
from merging.methods._della import parameters, pruned
from merging.methods._sparse import elected


def merge(site: Site) -> Pointwise:
    """base + lambda * elect(pruned_k, w_k)."""
    normalize = bool(site.shared["normalize"])
    return elected(site, pruned(site), site.per_parent["weight"], normalize=normalize)


METHOD = Method(
    name="della",
    form="tensor",
    summary="changes thinned at random, the smaller the more, where the parents agree on the sign",
    source="DELLA-Merging, arXiv 2406.11617, section 3",
    base="required",
    min_parents=1,
    max_parents=None,
    parameters=parameters(normalized=True),
    merge=merge,
)
