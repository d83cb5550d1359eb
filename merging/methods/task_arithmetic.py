"""Task arithmetic (Ilharco et al., arXiv 2212.04089, section 2)."""

from __future__ import annotations

from merging.method import Method, Pointwise, Site
from merging.methods._sums import INT8_MASK, LAMBDA, TINY_SUM, WEIGHT, base_and_deltas, normalize


def merge(site: Site) -> Pointwise:
    """base + lambda * sum_k w_k (theta_k - base), with `normalize` the sum divided by sum_k w_k
    unless that is next to 0."""
    assert site.base is not None
    weights = site.per_parent["weight"]
    factor, total = site.shared["lambda"], sum(weights)
    if site.shared["normalize"] and abs(total) >= TINY_SUM:
        factor /= total
    return base_and_deltas(site.base, site.parents, [factor * weight for weight in weights])


METHOD = Method(
    name="task_arithmetic",
    form="tensor",
    summary="the base plus a weighted sum of what fine-tuning changed",
    source="Task arithmetic, arXiv 2212.04089, section 2",
    base="required",
    min_parents=1,
    max_parents=None,
    parameters=(WEIGHT, LAMBDA, normalize(False), INT8_MASK),
    merge=merge,
)
