"""How sure an accuracy is, and whether two models differ on the same items."""

from __future__ import annotations

import math
from collections.abc import Sequence

Z_95 = 1.959963984540054


def wilson(correct: float, n: int, z: float = Z_95) -> tuple[float, float]:
    """Wilson's score interval of a proportion: low and high in [0, 1].

    `correct` may be a fraction, being a sum of item scores. No items, no knowledge: (0, 1).
    Source: Wilson 1927; z is the normal quantile, 1.96 for 95 %.

    Raises ValueError unless 0 <= correct <= n.
    """
    if not 0 <= correct <= n:
        raise ValueError(f"{correct} correct of {n}")
    if n == 0:
        return 0.0, 1.0
    p = correct / n
    centre = p + z * z / (2 * n)
    margin = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # At 0 and n correct the bound is exact, and rounding would put it beside p.
    low = 0.0 if correct == 0 else max(0.0, (centre - margin) / scale)
    high = 1.0 if correct == n else min(1.0, (centre + margin) / scale)
    return low, high


def mcnemar(a: Sequence[float], b: Sequence[float]) -> float:
    """Exact two-sided p-value of McNemar's test on paired item scores.

    Counts the items that one solves better than the other; ties say nothing. 1.0 without any.
    Source: McNemar 1947, with the binomial distribution instead of the chi-squared one.

    Raises ValueError when the two are of different lengths.
    """
    pairs = list(zip(a, b, strict=True))
    wins = sum(x > y for x, y in pairs)
    losses = sum(x < y for x, y in pairs)
    n = wins + losses
    tail = sum(math.comb(n, k) for k in range(min(wins, losses) + 1))
    # Whole numbers until the end: 2**n leaves the range of floats.
    return min(1.0, 2 * tail / 2**n) if n < 1000 else min(1.0, _ratio(2 * tail, n))


def _ratio(numerator: int, exponent: int) -> float:
    """numerator / 2**exponent."""
    shift = max(0, numerator.bit_length() - 64)
    return math.ldexp(numerator >> shift, shift - exponent)
