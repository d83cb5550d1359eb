"""Layers as they are, stacked by slices (a "frankenmerge"; mergekit's passthrough)."""

from __future__ import annotations

from merging.method import Method, Parameter, Pointwise, SearchRange, Site
from merging.methods._sums import combination


def merge(site: Site) -> Pointwise:
    """scale * theta.

    Slices are a path through blocks (`merging.dataflow`) and never come here.
    """
    return combination(site.parents, site.per_parent["scale"])


METHOD = Method(
    name="passthrough",
    form="tensor",
    summary="one model's layers, or in slices several models' layers, as they are",
    source="mergekit, passthrough",
    base="none",
    min_parents=1,
    max_parents=1,
    parameters=(
        Parameter(
            "scale",
            True,
            1.0,
            None,
            None,
            "factor on the weights",
            search=SearchRange(0.5, 1.5, 1.0),
        ),
        Parameter(
            "input_scale",
            True,
            1.0,
            None,
            None,
            "in slices: factor on the residual stream as it enters a layer (Cuvee's own key)",
        ),
    ),
    merge=merge,
)
