"""Weighted average of models: model soups (Wortsman et al., arXiv 2203.05482, section 2)."""

from __future__ import annotations

from merging.method import Method, Pointwise, Site
from merging.methods._sums import AVERAGE_WEIGHT, INT8_MASK, combination, normalize, shares


def merge(site: Site) -> Pointwise:
    """sum_k w_k theta_k, with `normalize` divided by sum_k w_k."""
    weights = site.per_parent["weight"]
    return combination(site.parents, shares(weights) if site.shared["normalize"] else weights)


METHOD = Method(
    name="linear",
    form="tensor",
    summary="weighted average of the models",
    source="Model soups, arXiv 2203.05482, section 2",
    base="none",
    min_parents=1,
    max_parents=None,
    parameters=(AVERAGE_WEIGHT, normalize(True), INT8_MASK),
    merge=merge,
)
