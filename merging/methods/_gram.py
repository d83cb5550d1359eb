"""Combinations of the parents by factors that follow from inner products alone: what is done on
spheres stays among the sums of the parents, so their norms and angles are all it takes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from merging.method import Pointwise, Site
from merging.methods._sums import base_and_deltas, combination

if TYPE_CHECKING:
    from torch import Tensor

Array = npt.NDArray[np.float64]
Factors = Callable[[Array], Array]
"""From inner products, (..., parents, parents), to the parents' factors, (..., parents)."""

# Tensors hold some seven digits: a sum of unit vectors that is shorter has no direction.
NO_DIRECTION = 1e-6

# Entries of one parent that are worked on at a time, in float64.
_TILE = 1 << 18


def combined(site: Site, factors: Factors) -> Pointwise:
    """sum_k factor_k * theta_k, or base + sum_k factor_k * (theta_k - base) if there is a base,
    where the factors follow from the inner products of what is summed.

    NaN where a product is not finite.
    """
    products = np.array(site.gram(deltas=site.base is not None))
    finite = bool(np.isfinite(products).all())
    found = factors(products) if finite else np.full(len(products), np.nan)
    if site.base is None:
        return combination(site.parents, found.tolist())
    return base_and_deltas(site.base, site.parents, found.tolist())


def combined_by_rows(site: Site, factors: Factors, *, dim: int = -1) -> Tensor:
    """The same for every vector along `dim` by itself; `factors` gets those of many vectors."""
    parents = [_rows(parent, dim) for parent in site.parents]
    base = None if site.base is None else _rows(site.base, dim)
    count, columns = parents[0].shape
    merged = parents[0][:0].float().new_empty(count, columns)
    nothing = parents[0][:0].double()
    at_once = max(1, _TILE // columns)
    for start in range(0, count, at_once):
        part = slice(start, min(start + at_once, count))
        vectors = nothing.new_empty(part.stop - start, len(parents), columns)
        for place, parent in enumerate(parents):
            vectors[:, place] = parent[part]
        if base is not None:
            vectors -= base[part].double()[:, None]
        products = (vectors @ vectors.mT).cpu().numpy()
        # A row that is not finite gives a NaN, which the sum keeps.
        with np.errstate(invalid="ignore"):
            found = vectors.new_tensor(factors(products))
        row = (found[:, None] @ vectors)[:, 0]
        merged[part] = row if base is None else row + base[part]
    shape = site.parents[0].transpose(dim, -1).shape
    return merged.reshape(shape).transpose(dim, -1)


def norms(products: Array) -> Array:
    """The vectors' lengths, (..., parents)."""
    lengths: Array = np.sqrt(np.diagonal(products, axis1=-2, axis2=-1))
    return lengths


def length(factors: Array, products: Array) -> float:
    """The length of sum_k factor_k * v_k. What rounding leaves below 0 is 0."""
    return math.sqrt(max(0.0, float(factors @ products @ factors)))


def _rows(tensor: Tensor, dim: int) -> Tensor:
    turned = tensor.transpose(dim, -1)
    return turned.reshape(-1, turned.shape[-1] if turned.dim() else 1)
