"""Consensus merging: keep what serves several parents (Wang et al., arXiv 2405.07813)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from merging.method import Method, Parameter, Pointwise, SearchRange, Site
from merging.tall_masks.masks import tall_mask

if TYPE_CHECKING:
    from torch import Tensor

MASK_LAMBDA = Parameter(
    "mask_lambda",
    True,
    0.4,
    0.0,
    None,
    "an entry serves this parent if its change is larger than this times that of all the others",
    search=SearchRange(0.1, 1.0, 0.4),
)
K = Parameter(
    "k",
    False,
    2,
    0,
    None,
    "how many parents an entry must serve; 1 drops what serves none, 2 also what serves only one",
    "whole",
    search=SearchRange(0.0, 2.0, 2.0),
)
LAMBDA = Parameter(
    "lambda",
    False,
    1.0,
    None,
    None,
    "factor on the merged delta",
    search=SearchRange(0.1, 1.0, 0.5),
)


def merge(site: Site) -> Pointwise:
    """base + lambda * 1[sum_t m_t >= k] * tau_M, where tau_M = sum_t (theta_t - base) and
    m_t = 1[|theta_t - base| > mask_lambda_t * |tau_M - (theta_t - base)|]."""
    assert site.base is not None
    return Pointwise(
        _merge,
        (site.base, *site.parents),
        (site.shared["lambda"], *site.per_parent["mask_lambda"]),
        (int(site.shared["k"]),),
    )


def _merge(tensors: Sequence[Tensor], numbers: Tensor, integers: Tensor, index: Tensor) -> Tensor:
    del index
    base = tensors[0].float()
    deltas = [tensor.float() - base for tensor in tensors[1:]]
    merged = deltas[0]
    for delta in deltas[1:]:
        merged = merged + delta
    served = tall_mask(deltas[0], merged, numbers[1]).int()
    for place, delta in enumerate(deltas[1:], start=2):
        served = served + tall_mask(delta, merged, numbers[place]).int()
    # Times 0, not left out: a NaN stays one, to be seen.
    return base + merged * ((served >= integers[0]).float() * numbers[0])


METHOD = Method(
    name="consensus",
    form="tensor",
    summary="the base plus the summed changes, where they serve enough of the parents",
    source="TALL masks and consensus merging, arXiv 2405.07813",
    base="required",
    min_parents=2,
    max_parents=None,
    parameters=(MASK_LAMBDA, K, LAMBDA),
    merge=merge,
)
