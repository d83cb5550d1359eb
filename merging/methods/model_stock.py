"""Model Stock: between the base and the average, by the angle between the fine-tuned models (Jang
et al., arXiv 2403.19522)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from merging.method import Method, Parameter, Pointwise, Site
from merging.methods._gram import Array, combined, combined_by_rows, norms

if TYPE_CHECKING:
    from torch import Tensor

# mergekit's bounds on what is divided by: a product of two norms, and t's divisor.
TINY_PRODUCT = 1e-6
TINY_DIVISOR = 1e-6


def merge(site: Site) -> Pointwise | Tensor:
    """t * mean_k(theta_k) + (1 - t) * base, t = n c / (1 + (n - 1) c) for n parents.

    c is the mean cosine between the deltas of two parents, of each tensor or, with `filter_wise`,
    of each vector along the last dimension. As in mergekit a product of norms below 1e-6 counts
    as 1e-6, which shortens the cosines of very small deltas, and where t's divisor is next to 0
    the base is kept.
    """
    if site.shared["filter_wise"]:
        return combined_by_rows(site, _factors)
    return combined(site, _factors)


def _factors(products: Array) -> Array:
    lengths = norms(products)
    count = lengths.shape[-1]
    sizes = lengths[..., :, None] * lengths[..., None, :]
    cosines = np.clip(products / np.maximum(sizes, TINY_PRODUCT), -1, 1)
    cosine = cosines[..., *np.triu_indices(count, 1)].mean(axis=-1)
    divisor = 1 + (count - 1) * cosine
    singular = np.abs(divisor) < TINY_DIVISOR
    share = np.where(singular, 0, cosine / np.where(singular, 1, divisor))
    return np.broadcast_to(share[..., None], lengths.shape)


METHOD = Method(
    name="model_stock",
    form="tensor",
    summary="the average pulled to the base, the further the less the parents agree",
    source="Model Stock, arXiv 2403.19522",
    base="required",
    min_parents=2,
    max_parents=None,
    parameters=(
        Parameter(
            "filter_wise",
            False,
            False,
            None,
            None,
            "one angle for each vector along the last dimension",
            "switch",
        ),
    ),
    merge=merge,
)
