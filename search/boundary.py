"""How far below zero a mean must be to be called negative, when one looks again and again.

Numbers x_1, x_2, ... are drawn in random order, without replacement, from N whose mean is zero and
whose mean square is v. The mean of the first n has variance v / I(n), with

    I(n) = n N / (N - n)

for the finite population (Cochran, "Sampling Techniques", section 2.6; N is taken for N - 1).
Of the means after m < n and after n draws, the covariance is the variance of the latter, so that
mean(n) I(n) / sqrt(v) has, up to normality, the law of a Brownian motion at time I(n): the sums of
such a sample tend to a Brownian bridge (Rosen, "Limit theorems for sampling from finite
populations", Arkiv foer Matematik 5, 1964), and this is the bridge in another time.

So the means at several looks are those of a group-sequential trial. Its critical values spend the
error as the sample grows (Lan and DeMets, "Discrete sequential boundaries for clinical trials",
Biometrika 70, 1983): up to n draws the chance of having stopped is error n / N, which is the
spending function t^1 of Kim and DeMets (Biometrika 74, 1987). Linear spending stops the clearly
weak early, which saves most. The chances are integrated look by look (Armitage, McPherson and Rowe,
"Repeated significance tests on accumulating data", JRSS A 132, 1969, section 2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

# Standard deviations beyond which a normal variable is not integrated, and points within them.
_REACH = 8.0
_POINTS = 400


def information(n: int, total: int) -> float:
    """I(n): the mean of n numbers drawn from `total` has 1 / I(n) of their variance. n < total."""
    return n * total / (total - n)


def critical_values(looks: Sequence[int], total: int, error: float) -> list[float]:
    """How many standard errors below zero a mean is called negative, at each of the `looks`.

    `looks` are growing sizes of a sample from `total` numbers, each below `total`. If their mean is
    zero, some look calls it negative with a chance of `error` times the last look's share of all,
    as far as means are normal. `error` is in (0, 0.5).
    """
    found = []
    nodes, masses = np.zeros(1), np.ones(1)
    time = spent = 0.0
    for n in looks:
        now = information(n, total)
        step, scale = math.sqrt(now - time), math.sqrt(now)
        tail = np.linspace(-_REACH * scale, 0.0, _POINTS)
        below = _cumulative(tail, _density(tail, nodes, masses, step))
        due = error * n / total
        boundary = float(np.interp(due - spent, below, tail))
        found.append(-boundary / scale)
        going = np.linspace(boundary, _REACH * scale, _POINTS)
        masses = _density(going, nodes, masses, step) * _widths(going)
        nodes, time, spent = going, now, due
    return found


def _density(points: np.ndarray, nodes: np.ndarray, masses: np.ndarray, step: float) -> np.ndarray:
    """Of a motion that had `masses` at `nodes` and has moved on by a deviation of `step`."""
    moved = (points[:, None] - nodes[None, :]) / step
    found: np.ndarray = np.exp(-0.5 * moved**2) @ masses / (step * math.sqrt(2 * math.pi))
    return found


def _widths(points: np.ndarray) -> np.ndarray:
    """The trapezoidal rule's weights of evenly spaced points."""
    widths = np.full(len(points), points[1] - points[0])
    widths[[0, -1]] /= 2
    return widths


def _cumulative(points: np.ndarray, density: np.ndarray) -> np.ndarray:
    """The integral up to each point, by the trapezoidal rule."""
    pieces = (density[1:] + density[:-1]) / 2 * np.diff(points)
    return np.concatenate([[0.0], np.cumsum(pieces)])
