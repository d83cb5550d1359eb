"""Weighted average of models: model soups (Wortsman et al., arXiv 2203.05482, section 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from merging.errors import NonFiniteError
from merging.method import Method, Values
from merging.methods._parts import TINY_SUM, WEIGHT, normalize

if TYPE_CHECKING:
    from torch import Tensor


def merge(base: Tensor | None, parents: Sequence[Tensor], values: Values) -> Tensor:
    """sum_k w_k theta_k, with `normalize` divided by sum_k w_k."""
    del base
    weights = list(values.per_parent["weight"])
    if values.shared["normalize"]:
        total = sum(weights)
        if abs(total) < TINY_SUM:
            raise NonFiniteError("the weights sum to 0, and normalize would divide by it")
        weights = [weight / total for weight in weights]
    merged = parents[0] * weights[0]
    for parent, weight in zip(parents[1:], weights[1:], strict=True):
        merged.add_(parent, alpha=weight)
    return merged


METHOD = Method(
    name="linear",
    form="tensor",
    summary="weighted average of the models",
    source="Model soups, arXiv 2203.05482, section 2",
    needs_base=False,
    min_parents=1,
    max_parents=None,
    parameters=(WEIGHT, normalize(True)),
    merge=merge,
)
