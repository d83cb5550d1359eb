"""OPCM: models merged one after another, each projected off what is there already (Tang et al.,
"Merging models on the fly without retraining", arXiv 2501.09522)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from merging.layout import layer_of
from merging.method import Method, Parameter, Pointwise, SearchRange, Site, Survey
from merging.methods._sums import combination

if TYPE_CHECKING:
    from torch import Tensor

ALPHA = Parameter(
    "alpha",
    False,
    0.5,
    0.0,
    1.0,
    "share of the singular values whose directions no later model may change",
    varies=False,
    search=SearchRange(0.0, 1.0, 0.5),
)
ORDER = Parameter(
    "order",
    True,
    0.0,
    None,
    None,
    "parents are merged in ascending order of this number, equal ones as they are listed",
    varies=False,
    search=SearchRange(0.0, 1.0, 0.5),
)

# Numbers that are squared and added up at a time.
TILE = 1 << 20


@dataclass(frozen=True)
class Accumulated:
    """What all parents add to the base, by tensor, and the factor that gives it its length."""

    changes: Mapping[str, Tensor]
    factor: float


def prepare(survey: Survey) -> Accumulated:
    """D_T of every tensor and n_avg / ||D_T||, both norms over the whole model.

    With tau_t = theta_t - base in the order of merging, D_1 = tau_1, D_t = D_(t-1) + Q_t, and n_avg
    is the mean of ||tau_t||. For a matrix of a layer Q_t is tau_t, `projected` off D_(t-1); for all
    other tensors, the embeddings and the head among them, Q_t = tau_t. The released code scales
    every D_t to the mean norm and undoes it before the next model, and no projection depends on a
    matrix's length: only the last scaling is left.

    Memory is that of one more model in float32, beside the singular vectors of one matrix. Those of
    the first parent's changes, which are the same for any alpha, are kept as a statistic: up to 8
    bytes an entry.
    """
    changes: dict[str, Tensor] = {}
    squares: dict[int, float] = {}
    total = 0.0
    for site in survey.sites():
        changes[site.name] = _accumulated(site)
        for parent, row in enumerate(site.gram(deltas=True)):
            squares[parent] = squares.get(parent, 0.0) + row[parent]
        flat = changes[site.name].reshape(-1)
        for start in range(0, flat.numel(), TILE):
            total += float(flat[start : start + TILE].double().square().sum())
    # Where nothing is left there is nothing to scale; where NaN came in, only its tensor has it.
    factor = 1.0
    if 0 < total < math.inf:
        mean = sum(math.sqrt(square) for square in squares.values()) / len(squares)
        factor = mean / math.sqrt(total)
    return Accumulated(changes, factor)


def merge(site: Site) -> Pointwise:
    """base + D_T * n_avg / ||D_T||."""
    assert site.base is not None
    assert isinstance(site.prepared, Accumulated)
    change = site.prepared.changes[site.name]
    return combination([site.base, change], [1.0, site.prepared.factor])


def projected(change: Tensor, parts: tuple[Tensor, Tensor, Tensor], alpha: float) -> Tensor:
    """U P V^T for a matrix D = U diag(S) V^T (`parts`: U, S, V) and a change E of its shape.

    P = U^T E V with its diagonal set to 0, and the upper left r x r block: of the largest singular
    values, r are those that add up to at most alpha of the sum of all. So <D, U P V^T> = 0.

    The released code takes the full U and V; what P loses lies in the thin ones, and U P V^T is E
    less that. Two things it leaves to chance are settled: with alpha 1 all of D's directions are
    barred (there r would be 0), and where D has no full rank the directions that are not its own,
    which may be any, lose nothing.
    """
    left, values, right = parts
    sizes = values.double()
    tiny = float(sizes[0]) * max(change.shape) * float(np.finfo(np.float32).eps)
    rank = int((sizes > tiny).sum())
    sums = sizes.cumsum(0)
    split = min(int((sums <= alpha * sums[-1]).sum()), rank)
    left, right = left[:, :rank], right[:, :rank]
    turned = left.T @ change
    block = turned[:split] @ right[:, :split]
    diagonal = (turned[split:] * right[:, split:].T).sum(1)
    return (
        change
        - left[:, :split] @ block @ right[:, :split].T
        - (left[:, split:] * diagonal) @ right[:, split:].T
    )


def _accumulated(site: Site) -> Tensor:
    """D_T of one tensor."""
    assert site.base is not None
    base, places = site.base.float(), site.per_parent["order"]
    first, *others = sorted(range(len(places)), key=lambda parent: places[parent])
    done = site.parents[first].float() - base
    matrix = done.ndim == 2 and layer_of(site.name) is not None
    for number, parent in enumerate(others):
        change = site.parents[parent].float() - base
        # No decomposition is known of what holds a NaN, and none is needed: it stays.
        if matrix and bool(done.isfinite().all()):
            parts = site.svd(first) if number == 0 else done.svd()
            change = projected(change, parts, site.shared["alpha"])
        done = done + change
    return done


METHOD = Method(
    name="opcm",
    form="prepared",
    summary="one model after another, each changing only what the ones before it left alone",
    source="OPCM, arXiv 2501.09522",
    base="required",
    min_parents=1,
    max_parents=None,
    parameters=(ALPHA, ORDER),
    merge=merge,
    prepare=prepare,
)
