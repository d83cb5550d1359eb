"""Exact quantiles of more numbers than one would sort, from counts of their bits.

A float32 has 32 bits, and a number's rank is found half by half: first how many numbers there are
for each value of the upper 16 bits, then, among those of one upper half, for each value of the
lower. That is two passes over the numbers, in whatever tiles they come.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

# The bits of a half.
HALF = 16

Bits = npt.NDArray[np.uint32]
Counts = npt.NDArray[np.int64]


def ordered_bits(numbers: npt.NDArray[np.float32]) -> Bits:
    """Bits in the order of the numbers, negative ones too (-0 comes before 0)."""
    bits = numbers.view(np.uint32)
    # Negative numbers grow with their bits away from 0; all others come after them.
    return bits ^ ((bits.view(np.int32) >> 31).view(np.uint32) | np.uint32(1 << 31))


def from_ordered_bits(bits: int) -> float:
    """The number of which `ordered_bits` are these."""
    plain = bits ^ 1 << 31 if bits >> 31 else ~bits & 0xFFFFFFFF
    return from_bits(plain)


def from_bits(bits: int) -> float:
    """The float32 of these bits."""
    return float(np.array([bits], np.uint32).view(np.float32)[0])


def upper_counts(tiles: Iterable[Bits]) -> Counts:
    """How many numbers there are for each value of the upper half of their bits."""
    counts = np.zeros(1 << HALF, np.int64)
    for bits in tiles:
        counts += np.bincount(bits >> HALF, minlength=1 << HALF)
    return counts


def lower_counts(tiles: Iterable[Bits], upper: int) -> Counts:
    """How many there are for each value of the lower half, among those of one upper half."""
    counts = np.zeros(1 << HALF, np.int64)
    for bits in tiles:
        inside = bits[bits >> HALF == upper] & ((1 << HALF) - 1)
        counts += np.bincount(inside, minlength=1 << HALF)
    return counts


def nth(counts: Counts, rank: int) -> tuple[int, int]:
    """The value that the rank-th smallest has (from 1), and its rank among those of that value."""
    sums = np.cumsum(counts)
    value = int(np.searchsorted(sums, rank))
    return value, rank - int(sums[value] - counts[value])


def joined(upper: int, lower: int) -> int:
    """Both halves of a number's bits."""
    return upper << HALF | lower
