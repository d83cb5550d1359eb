"""PCB-Merging: parameters compete within and between models (Du et al., arXiv 2410.02396).

Everything is relative to the whole model: its deltas count as one long vector.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from merging.method import Method, Parameter, Pointwise, SearchRange, Site, Survey
from merging.quantiles import (
    Counts,
    from_ordered_bits,
    joined,
    lower_counts,
    nth,
    ordered_bits,
    upper_counts,
)

if TYPE_CHECKING:
    from torch import Tensor

WEIGHT = Parameter(
    "weight",
    True,
    1.0,
    None,
    None,
    "how much of this parent is added",
    # The bounds of the released evolutionary search for language models.
    search=SearchRange(0.5, 3.0, 1.0),
)
RATIO = Parameter(
    "ratio", False, 0.1, 0.0, 1.0, "share of each parent's entries that compete", varies=False
)
CLAMP = Parameter(
    "clamp",
    False,
    1e-4,
    0.0,
    0.5,
    "share of the smallest changes, and of the largest, that are cut to the next one's magnitude",
    varies=False,
)
VARIANT = Parameter(
    "variant",
    False,
    "evolutionary",
    None,
    None,
    "how parents are compared: as the released code does in its evolutionary search (nearest the "
    "paper), for language models, or for vision models",
    "choice",
    choices=("evolutionary", "language", "vision"),
    varies=False,
)

# Entries of which the pass before the merge takes hold at a time.
TILE = 1 << 18
# The released code's bound on a sum that is divided by.
TINY = 1e-12


@dataclass(frozen=True)
class Limits:
    """Of one parent: the magnitudes between which its changes are cut, and their distance, or
    infinity where there is none."""

    low: float
    high: float
    width: float


@dataclass(frozen=True)
class Scale:
    """Of one parent: the balance from which an entry competes, and what lies between that and the
    largest, or infinity where nothing does."""

    limits: Limits
    threshold: float
    span: float


@dataclass(frozen=True)
class _Known:
    """What holds for any weights: of each parent its limits, of its balances the counts of the
    upper halves of their bits and the largest; and by ratio each parent's threshold."""

    limits: Sequence[Limits]
    uppers: Sequence[Counts]
    largest: Sequence[float]
    thresholds: dict[float, list[float]] = field(default_factory=dict)


def prepare(survey: Survey) -> list[Scale]:
    """The thresholds of every parent, exact, by two passes for the changes and two for the
    balances, of which weights need none. Memory is that of a few tiles.

    As in the released code, of n entries in ascending order, counted from 0, changes are cut to
    those numbered int(n clamp) and int(n (1 - clamp) - 1), and balances compete from the one
    numbered int(n (1 - ratio)).
    """
    site = next(iter(survey.sites()))
    clamp, ratio = site.shared["clamp"], site.shared["ratio"]
    variant, count, total = site.choices["variant"], len(site.parents), survey.entries
    known = survey.remember(
        ("pcb", clamp, variant), lambda: _counted(survey, count, clamp, variant)
    )
    if ratio not in known.thresholds:
        rank = min(int(total * (1 - ratio)), total - 1) + 1
        known.thresholds[ratio] = _nth(_balances(survey, known.limits, variant), known.uppers, rank)
    return [
        Scale(limits, threshold, _distance(threshold, largest))
        for limits, threshold, largest in zip(
            known.limits, known.thresholds[ratio], known.largest, strict=True
        )
    ]


def merge(site: Site) -> Pointwise:
    """base + sum_t w_t c_t s_t / max(sum_t s_t, 1e-12), c_t being theta_t - base cut to its limits.

    s_t is the balance beta_t = exp(T (N_t^2 - 1)) * inter_t, less its threshold and at least 0,
    over the largest. N_t in [0, 1] is |c_t| between its limits, S_t = sign(c_t) N_t, T the number
    of parents, and inter_t by `variant`:

    - evolutionary: sum_j tanh(S_t S_j),
    - language: tanh(tau_t sum_j tau_j), tau being theta - base,
    - vision: tanh(tau_t sum_j S_j).

    The code's exp(T N_t^2) overflows for many parents, and a constant factor changes no s_t. Where
    all changes of a parent, or all balances above its threshold, are equal, N_t or s_t is 0 (the
    code divides 0 by 0): a parent without changes takes no part.
    """
    assert site.base is not None
    assert isinstance(site.prepared, list)
    numbers: list[float] = []
    for weight, one in zip(site.per_parent["weight"], site.prepared, strict=True):
        limits = one.limits
        numbers += [limits.low, limits.high, limits.width, one.threshold, one.span, weight]
    options = (("variant", site.choices["variant"]),)
    return Pointwise(_merge, (site.base, *site.parents), tuple(numbers), options=options)


def _distance(low: float, high: float) -> float:
    """Infinity, by which anything divided is 0, where it is none."""
    return math.inf if high == low else high - low


def _counted(survey: Survey, count: int, clamp: float, variant: str) -> _Known:
    first = int(survey.entries * clamp)
    last = max(first, int(survey.entries * (1 - clamp) - 1))
    limits = []
    for parent in range(count):
        low, high = (survey.magnitude(parent, place + 1) for place in (first, last))
        limits.append(Limits(low, high, _distance(low, high)))
    uppers = [upper_counts([]) for _ in range(count)]
    largest = [-math.inf] * count
    for rows in _balances(survey, limits, variant):
        for parent, row in enumerate(rows):
            uppers[parent] += upper_counts([ordered_bits(row)])
            largest[parent] = float(np.maximum(largest[parent], row.max()))
    return _Known(limits, uppers, largest)


def _nth(
    tiles: Iterator[list[npt.NDArray[np.float32]]], uppers: Sequence[Counts], rank: int
) -> list[float]:
    """The rank-th smallest balance (from 1) of each parent."""
    found = [nth(counts, rank) for counts in uppers]
    lowers = [lower_counts([], upper) for upper, _ in found]
    for rows in tiles:
        for parent, row in enumerate(rows):
            lowers[parent] += lower_counts([ordered_bits(row)], found[parent][0])
    return [
        from_ordered_bits(joined(upper, nth(counts, rest)[0]))
        for counts, (upper, rest) in zip(lowers, found, strict=True)
    ]


def _balances(
    survey: Survey, limits: Sequence[Limits], variant: str
) -> Iterator[list[npt.NDArray[np.float32]]]:
    """Every parent's balances over the whole model, tile by tile."""
    for site in survey.sites():
        assert site.base is not None
        base, *parents = (tensor.reshape(-1) for tensor in (site.base, *site.parents))
        for start in range(0, base.numel(), TILE):
            part = slice(start, start + TILE)
            deltas = [parent[part].float() - base[part].float() for parent in parents]
            _, shares = _cut(deltas, [(one.low, one.high, one.width) for one in limits])
            yield [one.cpu().numpy() for one in _balance(deltas, shares, variant)]


def _cut(deltas: Sequence[Tensor], limits: Sequence[Any]) -> tuple[list[Tensor], list[Tensor]]:
    """|c_t| and N_t of every parent; of `limits` each is low, high and width, numbers or a tensor
    of them."""
    sizes, shares = [], []
    for delta, (low, high, width) in zip(deltas, limits, strict=True):
        size = delta.abs().clamp(low, high)
        sizes.append(size)
        shares.append((size - low) / width)
    return sizes, shares


def _balance(deltas: Sequence[Tensor], shares: Sequence[Tensor], variant: str) -> list[Tensor]:
    """beta_t of every parent; `shares` are the N_t."""
    count = len(deltas)
    signed = [delta.sign() * share for delta, share in zip(deltas, shares, strict=True)]
    if variant == "evolutionary":
        pairs = {
            (one, two): (signed[one] * signed[two]).tanh()
            for one in range(count)
            for two in range(one, count)
        }
        inter = [
            _sum([pairs[min(one, two), max(one, two)] for two in range(count)])
            for one in range(count)
        ]
    else:
        total = _sum(deltas if variant == "language" else signed)
        inter = [(delta * total).tanh() for delta in deltas]
    return [
        (count * (share * share - 1)).exp() * one for share, one in zip(shares, inter, strict=True)
    ]


def _sum(tensors: Sequence[Tensor]) -> Tensor:
    total = tensors[0]
    for tensor in tensors[1:]:
        total = total + tensor
    return total


def _merge(
    tensors: Sequence[Tensor], numbers: Tensor, integers: Tensor, index: Tensor, *, variant: str
) -> Tensor:
    del integers, index
    base = tensors[0].float()
    deltas = [parent.float() - base for parent in tensors[1:]]
    rows = [numbers[6 * place : 6 * place + 6] for place in range(len(deltas))]
    sizes, shares = _cut(deltas, [row[:3] for row in rows])
    scales = [
        (balance - row[3]).clamp(min=0) / row[4]
        for balance, row in zip(_balance(deltas, shares, variant), rows, strict=True)
    ]
    change = [
        delta.sign() * size * scale * row[5]
        for delta, size, scale, row in zip(deltas, sizes, scales, rows, strict=True)
    ]
    return base + _sum(change) / _sum(scales).clamp(min=TINY)


METHOD = Method(
    name="pcb",
    form="prepared",
    summary="the base plus the changes that stand out in their model and beside the others",
    source="PCB-Merging, arXiv 2410.02396",
    base="required",
    min_parents=1,
    max_parents=None,
    parameters=(WEIGHT, RATIO, CLAMP, VARIANT),
    merge=merge,
    prepare=prepare,
)
