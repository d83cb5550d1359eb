"""Barycentric interpolation on a sphere (Goddard, "Multi-SLERP", goddard.blog)."""

from __future__ import annotations

import math

import numpy as np

from merging.errors import NonFiniteError
from merging.method import Method, Parameter, Pointwise, Site
from merging.methods._gram import NO_DIRECTION, Array, combined, length, norms
from merging.methods._sums import AVERAGE_WEIGHT, combination, shares


def merge(site: Site) -> Pointwise:
    """(sum_k w_k |v_k|) * m / |m|, m = sum_k w_k v_k / (|v_k| + eps).

    v_k is the k-th model, or with a base its delta, to be added to the base. With
    `normalize_weights` the weights are divided by their sum. The source goes on from m / |m| along
    the sphere by sum_k w_k (u_k - (u_k . m) m / |m|^2), u_k being the unit vectors: that is m less
    its own projection, so 0, and only the factor cos(eps) of mergekit's step remains.

    A single parent is returned as it is. Where |m| is next to 0, two parents (as in mergekit) and
    tensors of zeros are summed up with their weights; otherwise there is no direction to go.
    Raises NonFiniteError then, and where weights to be normalised sum to 0.
    """
    weights = site.per_parent["weight"]
    if len(weights) == 1:
        return combination(site.parents, [1.0])
    ready = np.array(shares(weights) if site.shared["normalize_weights"] else weights)
    return combined(site, lambda products: _factors(products, ready, site.shared["eps"]))


def _factors(products: Array, weights: Array, eps: float) -> Array:
    lengths = norms(products)
    present = lengths > 0
    parts = np.where(present, weights / np.where(present, lengths + eps, 1), 0)
    mean, bound = length(parts, products), max(eps, NO_DIRECTION)
    if mean >= bound:
        scaled: Array = parts * (weights @ lengths) * math.cos(eps) / mean
        return scaled
    if len(weights) == 2 or lengths.max() < bound:
        return weights
    raise NonFiniteError("multislerp has no direction to go: the weighted parents cancel out")


METHOD = Method(
    name="multislerp",
    form="tensor",
    summary="the weighted mean direction of models or task vectors, at their mean length",
    source="Multi-SLERP, goddard.blog/posts/multislerp-wow-what-a-cool-idea",
    base="optional",
    min_parents=1,
    max_parents=None,
    parameters=(
        AVERAGE_WEIGHT,
        Parameter(
            "normalize_weights",
            False,
            True,
            None,
            None,
            "divide the weights by their sum",
            "switch",
        ),
        Parameter("eps", False, 1e-8, 0.0, None, "length from which on there is a direction"),
    ),
    merge=merge,
)
