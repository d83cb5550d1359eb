"""Whether two samples of random children come from one distribution, as far as numbers can tell.

For every tensor: the mean change, and how far the change goes along each parent's delta, tell
whether the means agree; the mean squared distance from the mean of all children tells whether the
variances do. Each is one number a child, and the two samples of such numbers are put to Welch's
test. All tests of a run share one level (Bonferroni).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import t as student
from torch import Tensor

SEEDS = 30
LEVEL = 0.001


@dataclass(frozen=True)
class Likeness:
    """The largest test statistics over tensors, and their limit."""

    tensors: int
    worst_mean: float
    worst_variance: float
    limit: float

    @property
    def holds(self) -> bool:
        """Whether sampling explains what differs."""
        return max(self.worst_mean, self.worst_variance) <= self.limit


def statistics_of(
    ours: Tensor, theirs: Tensor, base: Tensor, parents: Sequence[Tensor]
) -> list[float]:
    """Welch's statistics for one tensor: of the means (one more than there are parents), and last
    of the variance. `ours` and `theirs` are (children, *shape)."""
    changes = [(one.double() - base.double()).flatten(1) for one in (ours, theirs)]
    found = [welch(*(one.mean(dim=1).tolist() for one in changes))]
    for parent in parents:
        delta = (parent.double() - base.double()).flatten()
        found.append(welch(*((one @ delta).tolist() for one in changes)))
    mean = sum(one.mean(dim=0) for one in changes) / 2
    found.append(welch(*((one - mean).square().mean(dim=1).tolist() for one in changes)))
    return found


def likeness(statistics: Sequence[Sequence[float]], *, runs: int) -> Likeness:
    """Sum up one method's statistics, a row a tensor as `statistics_of` gives it.

    `runs` methods are tested in all.
    """
    tests = runs * sum(len(row) for row in statistics)
    # Two-sided, with the fewest degrees of freedom that Welch's test can come to.
    limit = float(student.isf(LEVEL / 2 / tests, SEEDS - 1))
    means = max(max(row[:-1]) for row in statistics)
    return Likeness(len(statistics), means, max(row[-1] for row in statistics), limit)


def welch(one: Sequence[float], other: Sequence[float]) -> float:
    """The size of Welch's statistic; 0 where the means differ by rounding alone."""
    means, spreads = [], []
    for sample in (one, other):
        mean = math.fsum(sample) / len(sample)
        means.append(mean)
        spread = math.fsum((value - mean) ** 2 for value in sample)
        spreads.append(spread / (len(sample) - 1) / len(sample))
    difference = abs(means[0] - means[1])
    if difference <= 1e-6 * abs(means[0]):
        return 0.0
    return difference / math.sqrt(sum(spreads)) if sum(spreads) else math.inf
