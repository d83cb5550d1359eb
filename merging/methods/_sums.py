"""Weighted sums of models or of their deltas, and the parameters that many methods share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from merging.errors import NonFiniteError
from merging.method import Parameter, Pointwise, SearchRange

if TYPE_CHECKING:
    from torch import Tensor

# Below this, mergekit takes a sum of weights for zero.
TINY_SUM = 1e-8

WEIGHT = Parameter(
    "weight",
    True,
    1.0,
    None,
    None,
    "how much of this parent is added",
    # Task vectors may be amplified and subtracted: the best sum found by Sakana AI is near 2
    # (arXiv 2403.13187), and every gene starts there at 0.5.
    search=SearchRange(-0.5, 2.0, 0.5),
)
AVERAGE_WEIGHT = Parameter(
    "weight",
    True,
    1.0,
    None,
    None,
    "this model's share",
    # Divided by their sum: only the proportion counts, and a sum of 0 must not.
    search=SearchRange(0.0, 1.0, 0.5),
)
LAMBDA = Parameter("lambda", False, 1.0, None, None, "factor on the merged delta")
# mergekit-evolve writes it into every recipe.
INT8_MASK = Parameter(
    "int8_mask", False, False, None, None, "read for mergekit's sake; changes nothing", "switch"
)


def normalize(default: bool) -> Parameter:
    """The switch that divides the merged value by the sum of the weights."""
    summary = "divide by the sum of the weights"
    return Parameter("normalize", False, default, None, None, summary, "switch")


def shares(weights: Sequence[float]) -> list[float]:
    """The weights divided by their sum; raises NonFiniteError where that is next to 0."""
    total = sum(weights)
    if abs(total) < TINY_SUM:
        raise NonFiniteError("the weights sum to 0, and normalize would divide by it")
    return [weight / total for weight in weights]


def combination(tensors: Sequence[Tensor], factors: Sequence[float]) -> Pointwise:
    """sum_k factor_k * tensor_k."""
    return Pointwise(_combine, tuple(tensors), tuple(factors))


def base_and_deltas(base: Tensor, parents: Sequence[Tensor], factors: Sequence[float]) -> Pointwise:
    """base + sum_k factor_k * (parent_k - base)."""
    return Pointwise(_add_deltas, (base, *parents), tuple(factors))


def _combine(tensors: Sequence[Tensor], numbers: Tensor, integers: Tensor, index: Tensor) -> Tensor:
    del integers, index
    total = tensors[0].float() * numbers[0]
    for place, tensor in enumerate(tensors[1:], start=1):
        total = total + tensor.float() * numbers[place]
    return total


def _add_deltas(
    tensors: Sequence[Tensor], numbers: Tensor, integers: Tensor, index: Tensor
) -> Tensor:
    del integers, index
    base = tensors[0].float()
    total = (tensors[1].float() - base) * numbers[0]
    for place, parent in enumerate(tensors[2:], start=1):
        total = total + (parent.float() - base) * numbers[place]
    return base + total
