"""Twin-Merging: what the models share, and of what is only one's own the largest directions, as
much of each model's as a router asks for (Lu et al., arXiv 2406.15479, section 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from merging.method import Method, Parameter, Pointwise, SearchRange, Site, Survey
from merging.methods._sums import combination

if TYPE_CHECKING:
    from torch import Tensor

WEIGHT = Parameter(
    "weight",
    True,
    1.0,
    None,
    None,
    "how much is added of what this parent has of its own: what the router gives it",
    search=SearchRange(0.0, 1.0, 0.5),
)
LAMBDA = Parameter(
    "lambda",
    False,
    0.3,
    None,
    None,
    "factor on the sum of the task vectors in what the parents share",
    varies=False,
)
DENSITY = Parameter(
    "density",
    False,
    0.1,
    0.0,
    1.0,
    "share of a matrix's singular directions that is kept of what a parent has of its own",
    varies=False,
)

# Shares are rounded down to whole directions, but 0.29 of 100 are 29.
ROUNDING = 1e-9

LowRank = tuple["Tensor", "Tensor"]
"""U diag(S) (m x r) and V (n x r)."""


def prepare(survey: Survey) -> Mapping[str, Sequence[LowRank]]:
    """For each matrix, by tensor name, the parents' exclusive parts v_t.

    v_t = U_r diag(S_r) V_r^T of theta_t - theta*, where theta* = base + lambda sum_s (theta_s -
    base) and r is the whole part of density * min(m, n). Kept for all candidates with the same
    lambda and density. Memory is r (m + n) numbers in float32 for each matrix and parent: at a
    density of 0.1 a fifth of a square matrix.

    What holds a NaN or infinity has no decomposition and is left out here.
    """
    first = next(iter(survey.sites()))
    key = (first.shared["lambda"], first.shared["density"])

    def compute() -> dict[str, list[LowRank]]:
        return {site.name: _exclusive(site) for site in survey.sites() if _is_matrix(site)}

    return survey.remember(key, compute)


def merge(site: Site) -> Pointwise:
    """theta* + sum_t w_t v_t, where v_t = theta_t - theta* for what is no matrix.

    With all weights 0 it is what the parents share, theta*; at density 1 and one weight of 1 it is
    that parent. Biases have their exclusive parts too, which the released code leaves out.
    """
    assert site.base is not None
    assert isinstance(site.prepared, Mapping)
    weights, factor = site.per_parent["weight"], site.shared["lambda"]
    parts = site.prepared.get(site.name)
    tensors = [site.base, *site.parents]
    if parts is None:
        # theta* is weighted by what the weights leave of 1.
        rest = 1 - sum(weights)
        factors = [rest * (1 - factor * len(weights)), *(rest * factor + one for one in weights)]
        return combination(tensors, factors)
    factors = [1 - factor * len(weights), *[factor] * len(weights)]
    added = site.base.float() * 0
    for weight, (left, right) in zip(weights, parts, strict=True):
        added.addmm_(left, right.T, alpha=weight)
    return combination([*tensors, added], [*factors, 1.0])


def _is_matrix(site: Site) -> bool:
    tensors = [site.base, *site.parents]
    return all(one is not None and one.ndim == 2 and bool(one.isfinite().all()) for one in tensors)


def _exclusive(site: Site) -> list[LowRank]:
    assert site.base is not None
    base, parents = site.base.float(), [parent.float() for parent in site.parents]
    shared = base.clone()
    for parent in parents:
        shared += site.shared["lambda"] * (parent - base)
    rank = int(site.shared["density"] * min(base.shape) + ROUNDING)
    found = []
    for parent in parents:
        left, values, right = (parent - shared).svd()
        found.append(((left[:, :rank] * values[:rank]).clone(), right[:, :rank].clone()))
    return found


METHOD = Method(
    name="twin",
    form="prepared",
    summary="what the parents share, and some of what is each one's own, in few directions",
    source="Twin-Merging, arXiv 2406.15479, section 3",
    base="required",
    min_parents=1,
    max_parents=None,
    parameters=(WEIGHT, LAMBDA, DENSITY),
    merge=merge,
    prepare=prepare,
)
