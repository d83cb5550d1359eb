"""Deltas of which only some entries are kept, added up: what TIES, DARE, DELLA and breadcrumbs do.

Each parent's delta is thinned out (`Selection`), scaled, and either added up or put to TIES's
election of signs. Thresholds come from the engine's rankings and masks from counters, so that all
of it is one pass.

Formulas follow the papers in their released code; where that and mergekit 0.1.5 differ, mergekit
is followed, so that a recipe means the same in both, and the docstring says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from merging.method import Parameter, Pointwise, SearchRange, Site
from merging.methods._random import split_key, uniform
from merging.methods._sums import TINY_SUM

if TYPE_CHECKING:
    from torch import Tensor

# Below this, mergekit takes a norm for zero.
TINY_NORM = 1e-7

DENSITY = Parameter(
    "density",
    True,
    1.0,
    0.0,
    1.0,
    "share of the delta's entries that is kept",
    # Below a twentieth next to nothing of a task vector is left.
    search=SearchRange(0.05, 1.0, 0.5),
)
SEED = Parameter(
    "random_seed",
    False,
    0,
    0,
    None,
    "seed of the random masks (Cuvee's own key)",
    "seed",
    varies=False,
)

_EVERY_PLACE = 1 << 62

Kind = Literal["band", "random", "ranked"]


@dataclass(frozen=True)
class Selection:
    """Which entries of one parent's delta are kept, and what they are multiplied by.

    "band": by magnitude, those after the entry `first` and up to the entry `last`, each given by
    magnitude and place as `Ranking.cut` does. "random": those whose random number is below
    `probability`. "ranked": the same with probability + step * the entry's rank in its row; with
    `divide`, what is kept is divided by its own probability.
    """

    kind: Kind
    factor: float = 1.0
    first: tuple[float, int] = (math.inf, -1)
    last: tuple[float, int] = (-1.0, -1)
    probability: float = 1.0
    step: float = 0.0
    key: int = 0
    divide: bool = False

    def scaled(self, factor: float) -> Selection:
        """The same entries, multiplied by `factor` more."""
        return replace(self, factor=self.factor * factor)


def band(site: Site, parent: int, skip: int, keep: int, *, rescale_l1: bool = False) -> Selection:
    """Leave out the `skip` entries of largest magnitude and keep the `keep` after them.

    With `rescale_l1`, scaled to the L1 norm of the whole delta.
    """
    count = site.parents[parent].numel()
    if keep <= 0:
        return Selection("band", last=(math.inf, -1))
    if skip == 0 and keep >= count:
        return Selection("band")
    ranking, end = site.ranking(parent), min(skip + keep, count)
    first = ranking.cut(skip) if skip else (math.inf, -1)
    selection = Selection("band", first=first, last=ranking.cut(end))
    if not rescale_l1:
        return selection
    return _to_norm(selection, ranking.l1(count), ranking.l1(end) - ranking.l1(skip))


def from_magnitude(magnitude: float) -> Selection:
    """Keep the entries of at least this magnitude."""
    return Selection("band", last=(magnitude, _EVERY_PLACE))


def match_l1(site: Site, parent: int, selection: Selection) -> Selection:
    """Scale a selection to the L1 norm of the whole delta."""
    kept = site.sum(_pass(site, [parent], [selection], "l1"))
    return _to_norm(selection, site.l1(parent), kept)


def added(
    site: Site, selections: Sequence[Selection], weights: Sequence[float], *, normalize: bool
) -> Pointwise:
    """base + lambda * sum_k w_k kept_k, with `normalize` the sum divided by sum_k w_k unless that
    is next to 0."""
    factor, total = site.shared["lambda"], sum(weights)
    if normalize and abs(total) >= TINY_SUM:
        factor /= total
    scaled = [
        selection.scaled(weight * factor)
        for selection, weight in zip(selections, weights, strict=True)
    ]
    return _pass(site, range(len(scaled)), scaled, "add")


def elected(
    site: Site,
    selections: Sequence[Selection],
    weights: Sequence[float],
    *,
    normalize: bool,
    largest: bool = False,
) -> Pointwise:
    """base + lambda * TIES's disjoint merge of w_k kept_k (arXiv 2306.01708, section 3).

    An entry's sign is that of sum_k w_k kept_k; only the parents of that sign are added, and with
    `normalize` divided by the sum of their weights. As in mergekit, a sum of exactly 0 counts as
    positive (the released code gives it the sign of the majority of entries). With `largest`, the
    largest of them is taken instead ("dis-max" in the released code).
    """
    scaled = [
        selection.scaled(weight) for selection, weight in zip(selections, weights, strict=True)
    ]
    combine = "elect_max" if largest else "elect_mean" if normalize else "elect"
    plan = _pass(site, range(len(scaled)), scaled, combine)
    return replace(plan, numbers=(*plan.numbers, *weights, site.shared["lambda"]))


def _to_norm(selection: Selection, before: float, after: float) -> Selection:
    """As in mergekit, left alone where either norm is next to nothing."""
    return selection if min(before, after) < TINY_NORM else selection.scaled(before / after)


def _pass(
    site: Site, parents: Sequence[int], selections: Sequence[Selection], combine: str
) -> Pointwise:
    base = site.base
    assert base is not None
    kind, divide = selections[0].kind, selections[0].divide
    tensors = [base, *(site.parents[parent] for parent in parents)]
    if kind == "ranked":
        tensors += [site.row_ranks(parent) for parent in parents]
    numbers: list[float] = []
    integers: list[int] = []
    for one in selections:
        if kind == "band":
            numbers += [one.factor, one.first[0], one.last[0]]
            integers += [one.first[1], one.last[1]]
        else:
            numbers += [one.factor, one.probability, one.step]
            integers += split_key(one.key)
    options = (
        ("kind", kind),
        ("combine", combine),
        ("count", len(parents)),
        ("divide", divide),
        ("skips", any(one.first[0] < math.inf for one in selections)),
    )
    return Pointwise(_merge, tuple(tensors), tuple(numbers), tuple(integers), options)


def _merge(
    tensors: Sequence[Tensor],
    numbers: Tensor,
    integers: Tensor,
    index: Tensor,
    *,
    kind: Kind,
    combine: str,
    count: int,
    divide: bool,
    skips: bool,
) -> Tensor:
    base = tensors[0].float()
    kept = []
    for place in range(count):
        delta = tensors[1 + place].float() - base
        scalars, places = numbers[3 * place :], integers[2 * place :]
        if kind == "band":
            kept.append(_banded(delta, scalars, places, index, skips=skips))
        else:
            ranks = tensors[1 + count + place].float() if kind == "ranked" else None
            kept.append(_drawn(delta, scalars, places, index, ranks, divide=divide))
    if combine == "l1":
        return kept[0].abs()
    total = kept[0]
    for one in kept[1:]:
        total = total + one
    if combine == "add":
        return base + total
    return base + _elected(kept, total, numbers[3 * count :], combine) * numbers[-1]


def _elected(kept: Sequence[Tensor], total: Tensor, weights: Tensor, combine: str) -> Tensor:
    """What the parents that agree with the sign of `total` come to; NaN wherever one is NaN."""
    positive = total >= 0
    merged = divisor = None
    for place, one in enumerate(kept):
        agreeing = one.masked_fill((one > 0) != positive, 0)
        if merged is None:
            merged = agreeing
        elif combine == "elect_max":
            merged = merged.max(agreeing).where(positive, merged.min(agreeing))
        else:
            merged = merged + agreeing
        if combine == "elect_mean":
            weight = weights[place].expand_as(one).masked_fill(agreeing == 0, 0)
            divisor = weight if divisor is None else divisor + weight
    assert merged is not None
    return merged if divisor is None else merged / divisor.masked_fill(divisor == 0, 1)


def _banded(
    delta: Tensor, numbers: Tensor, integers: Tensor, index: Tensor, *, skips: bool
) -> Tensor:
    """The entries after `first` (unless none is skipped) and up to `last`, scaled; the others
    times 0."""
    size = delta.abs()
    reached = _up_to(size, index, numbers[2], integers[1])
    if skips:
        reached = reached & ~_up_to(size, index, numbers[1], integers[0])
    return delta * (reached.float() * numbers[0])


def _up_to(size: Tensor, index: Tensor, magnitude: Tensor, place: Tensor) -> Tensor:
    """The entries that do not come after the one of this magnitude and place."""
    return (size > magnitude) | ((size == magnitude) & (index <= place))


def _drawn(
    delta: Tensor,
    numbers: Tensor,
    integers: Tensor,
    index: Tensor,
    ranks: Tensor | None,
    *,
    divide: bool,
) -> Tensor:
    """The entries whose random number is below their probability, scaled; the others 0."""
    probability = numbers[1]
    if ranks is not None:
        probability = probability + ranks * numbers[2]
    dropped = uniform(index, integers[0], integers[1]) >= probability
    # Where the probability is 0 nothing is kept, and anything but 0 will do as the divisor.
    factor = numbers[0] / probability.clamp(min=1e-30) if divide else numbers[0]
    return _without(dropped, delta, delta.abs(), factor)


def _without(dropped: Tensor, delta: Tensor, size: Tensor, factor: Tensor) -> Tensor:
    """`delta` times `factor`, 0 where it is dropped. What is no finite number stays, to be seen."""
    return (delta * factor).masked_fill(dropped & (size < math.inf), 0)
