"""The plain average of models (Wortsman et al., arXiv 2203.05482, section 2: uniform soup)."""

from __future__ import annotations

from merging.method import Method, Pointwise, Site
from merging.methods._sums import combination


def merge(site: Site) -> Pointwise:
    """(1/T) sum_t theta_t."""
    count = len(site.parents)
    return combination(site.parents, [1 / count] * count)


METHOD = Method(
    name="average",
    form="tensor",
    summary="plain average of the models",
    source="Model soups, arXiv 2203.05482, section 2 (uniform soup)",
    base="none",
    min_parents=1,
    max_parents=None,
    parameters=(),
    merge=merge,
)
