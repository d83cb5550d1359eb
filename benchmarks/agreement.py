"""How far two children of one recipe are apart, and which entries arithmetic leaves open.

A difference is counted in bf16 ulps of the largest number that an entry is made of: its terms in
the parents, and itself. Two kinds of entries may differ by more and still both be right. Where a
delta's magnitude equals the threshold of a trim, which of the equal ones are kept is nobody's rule.
And where the signed sum of an election is next to 0, rounding decides the sign.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from merging.checkpoint import Parent
from merging.layout import Block, at_layer, lay_out, layer_of
from merging.recipe import Recipe

ULPS = 2.0
# The share of entries that may be further apart.
MAY_DIFFER = 1e-4
# Relative to the largest summand: a few roundings of float32.
NEXT_TO_ZERO = 1e-6

TRIMMED = ("ties", "breadcrumbs", "breadcrumbs_ties")
ELECTED = ("ties", "breadcrumbs_ties", "sce")


@dataclass(frozen=True)
class Agreement:
    """Entries of a child: all, and those that differ by more than `ULPS`: at a threshold, with a
    sum next to 0, or unexplained (`off`, the worst of which is `worst_ulps` in `worst_tensor`)."""

    entries: int
    at_threshold: int
    zero_sums: int
    off: int
    worst_ulps: float
    worst_tensor: str

    @property
    def holds(self) -> bool:
        """Whether enough of the entries agree."""
        return self.entries > 0 and self.off <= MAY_DIFFER * self.entries


def agreement(
    asked: Recipe,
    ours: Mapping[str, Tensor],
    theirs: Mapping[str, Tensor],
    parents: Mapping[str, Parent],
) -> Agreement:
    """Compare two children of a recipe, tensor by tensor, by `theirs`' names."""
    depth = 1 + max(layer_of(name) or 0 for name in theirs)
    layout = lay_out(asked, depth)
    entries = at_threshold = zero_sums = off = 0
    worst, where = 0.0, ""
    for name, other in theirs.items():
        terms = list(_terms(layout.block(name), name, parents))
        apart = ulps_apart(ours[name].float(), other.float(), terms)
        # A NaN agrees with nothing.
        differing = ~(apart <= ULPS)
        entries += other.numel()
        if bool(differing.any()):
            equal, undecided = left_open(asked, layout.block(name), name, parents)
            at_threshold += int((differing & equal).sum())
            zero_sums += int((differing & undecided & ~equal).sum())
            apart = apart.masked_fill(equal | undecided, 0)
            off += int((~(apart <= ULPS)).sum())
        most = float(apart.nan_to_num(nan=torch.inf).max())
        if most > worst:
            worst, where = most, name
    return Agreement(entries, at_threshold, zero_sums, off, worst, where)


def ulps_apart(one: Tensor, other: Tensor, terms: Sequence[Tensor]) -> Tensor:
    """|one - other| in bf16 ulps of the largest of `terms`, `one` and `other`, by entry."""
    largest = torch.stack([*terms, one, other]).abs().amax(dim=0)
    return (one - other).abs() / bf16_ulp(largest)


def bf16_ulp(values: Tensor) -> Tensor:
    """The distance between neighbouring bf16 numbers at each magnitude (8 bits of precision)."""
    exponent = torch.frexp(values.abs().clamp(min=torch.finfo(torch.bfloat16).tiny)).exponent
    return torch.ldexp(torch.ones_like(values), exponent - 8)


def left_open(
    asked: Recipe, block: Block, name: str, parents: Mapping[str, Parent]
) -> tuple[Tensor, Tensor]:
    """The entries of a tensor at a threshold of a trim, and those whose signs' sum is next to 0."""
    method = asked.merge_method
    terms = list(_terms(block, name, parents))
    equal = torch.zeros(terms[0].shape, dtype=torch.bool)
    if method not in (*TRIMMED, *ELECTED):
        return equal, equal.clone()
    number = [one.model for one in block.inputs].index(asked.base_model or "")
    base = terms[number]
    total, largest = torch.zeros_like(base), torch.zeros_like(base)
    for place, one in enumerate(block.inputs):
        if place == number:
            continue
        delta = terms[place] - base
        of_input = at_layer(name, one.layer)
        if method in TRIMMED:
            density = float(block.of_input(place, "density", of_input) or 0)
            gamma = block.of_input(place, "gamma", of_input)
            skipped = 0.0 if method == "ties" else float(0.01 if gamma is None else gamma)
            kept, at_cut = trimmed(delta, density, skipped)
            equal |= at_cut
            if bool(block.shared("rescale", name)):
                kept *= float(delta.abs().sum() / kept.abs().sum().clamp(min=1e-7))
            delta = kept
        weight = block.of_input(place, "weight", of_input)
        weighted = delta * float(1 if weight is None else weight)
        total += weighted
        largest = torch.maximum(largest, weighted.abs())
    undecided = (largest > 0) & (total.abs() <= NEXT_TO_ZERO * largest)
    return equal, undecided if method in ELECTED else torch.zeros_like(equal)


def trimmed(delta: Tensor, density: float, gamma: float) -> tuple[Tensor, Tensor]:
    """A delta's `density` of entries after its `gamma` of largest, and which equal a threshold.

    Entries on either side of a cut that have one magnitude are at the threshold, whatever is kept.
    """
    sizes = delta.abs()
    count = sizes.numel()
    keep = count if density >= 1 else max(1, int(density * count)) if density > 0 else 0
    skip = min(int(gamma * count), count - keep)
    falling = sizes.flatten().sort(descending=True).values
    at_cut = torch.zeros_like(sizes, dtype=torch.bool)
    for cut in (skip, skip + keep):
        if 0 < cut < count and falling[cut - 1] == falling[cut]:
            at_cut |= sizes == falling[cut]
    if not keep:
        return torch.zeros_like(delta), at_cut
    inside = (sizes <= falling[skip]) & (sizes >= falling[skip + keep - 1])
    return delta * inside, at_cut


def _terms(block: Block, name: str, parents: Mapping[str, Parent]) -> Iterator[Tensor]:
    for one in block.inputs:
        yield parents[one.model].tensor(at_layer(name, one.layer)).float()
