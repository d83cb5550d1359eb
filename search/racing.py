"""Racing: items are scored block by block, and candidates that cannot win are scored no further.

A candidate has to reach the fitness of a rival on all N items. It is compared item by item, not
with the rival's own scores, which are right or wrong by chance as its own are, but with the mean
scores best_i of several of the best trials: how hard an item is cancels, and their chance does not
come on top of the candidate's. It reaches its rival if the mean of all N differences

    x_i = share_i (score_i - best_i) - (rival's fitness - mean fitness of the best)

is at least zero. All items lie in one random order, so that those scored so far are a sample
without replacement. Of a mean m over n of them, with nothing assumed of the candidate before, the
mean of all N is predicted as

    normal with mean m and variance v (1/n - 1/N),

v being the mean square of the differences (Ericson, "Subjective Bayesian models in sampling finite
populations", JRSS B 31, 1969, for a flat prior; the variance is that of Cochran, "Sampling
Techniques", section 2.6). A candidate stops once the predicted chance of reaching its rival is
below `error`: stochastic curtailment by predictive power (Spiegelhalter, Freedman and Blackburn,
"Monitoring clinical trials: conditional or predictive power?", Controlled Clinical Trials 7, 1986).

So of the candidates that are stopped, a share of at most `error` would have reached their rival.
That holds however often one looks, as what is predicted of a sample does not depend on why it ends,
and for candidates that are as often above their rival as below. In a search most are below. It is
not the chance that a candidate is stopped which would just reach its rival; that one is larger.

For v the larger of two mean squares is taken. One is that of the items seen. The other is that of
all N, as it would be if the candidate reached its rival: an item not seen is then right with the
chance that it is right for the best (a count r of k, as (r + 1/2) / (k + 1): Krichevsky and
Trofimov, IEEE Transactions on Information Theory 27, 1981), moved by the amount that what was seen
leaves to make good. The first mean square alone would be too small where the items that make the
difference are few, and not seen yet.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from statistics import NormalDist

import numpy as np

from search.item_blocks import Block
from search.samplers.seeding import generator

PEERS = 10
"""So many of the best trials make the mean scores that a candidate's are compared with."""

# Sums of equal scores such as 1/3 may differ by this.
_ROUNDING = 1e-9
# A stream of random numbers of its own, apart from those of trials, which count from 0.
_ORDER = -1 % 2**32
# The further a candidate has come, the likelier it is to be scored whole: larger blocks, which cost
# less time an item, then save more than an earlier decision would.
_GROWTH = 8

Scores = Mapping[str, Sequence[float]]
"""Item scores in [0, 1] by task."""


@dataclass(frozen=True)
class Rival:
    """What a candidate has to reach: `fitness`, in [0, 1].

    `scores` are mean scores of the `peers` best trials on all items, in the order of the tasks.
    """

    scores: Scores
    fitness: float
    peers: int


def make_rival(best: Sequence[Scores], fitness: float) -> Rival:
    """The rival of a fitness, given the scores of the best trials on all items."""
    means = {
        task: [
            math.fsum(values) / len(best)
            for values in zip(*(one[task] for one in best), strict=True)
        ]
        for task in best[0]
    }
    return Rival(means, fitness, len(best))


@dataclass(frozen=True)
class Race:
    """A job's items in blocks, and what each item counts in the fitness."""

    blocks: tuple[Block, ...]
    shares: Mapping[str, float]
    error: float

    @cached_property
    def items(self) -> tuple[tuple[str, int], ...]:
        """All N items in the order in which they are scored."""
        return tuple(item for block in self.blocks for item in block.items)

    def is_lost(self, scored: Sequence[Scores], rival: Rival) -> bool:
        """Whether a candidate scored on the first blocks is shown to stay below its rival.

        `scored` are the candidate's scores on block 0, 1, ..., in the order of their places.
        """
        stakes = self.stakes(rival)
        seen = stakes.differences(self.in_order(scored))
        left = stakes.after(len(seen))
        return is_below_zero(seen, left, self.error)

    def estimate(self, scored: Sequence[Scores], rival: Rival) -> float:
        """The candidate's fitness on all items: the rival's, plus the mean weighted difference.

        That cancels how hard the items scored so far are. In [0, 1].
        """
        seen = self.stakes(rival).differences(self.in_order(scored))
        return min(1.0, max(0.0, rival.fitness + float(seen.mean())))

    def stakes(self, rival: Rival) -> Stakes:
        """What each item can do for a candidate, in the order in which they are scored."""
        best = np.array([rival.scores[task][at] for task, at in self.items])
        shares = np.array([self.shares[task] for task, _ in self.items])
        wrong = -shares * best - (rival.fitness - (shares * best).mean())
        chance = (rival.peers * best + 0.5) / (rival.peers + 1)
        return Stakes(wrong + shares, wrong, chance)

    def in_order(self, scored: Sequence[Scores]) -> np.ndarray:
        """The scores on the first blocks as one array."""
        found: list[float] = []
        for block, scores in zip(self.blocks, scored, strict=False):
            following = {task: iter(values) for task, values in scores.items()}
            found += [next(following[task]) for task, _ in block.items]
        return np.array(found)


@dataclass(frozen=True)
class Stakes:
    """Items: the difference x_i if right, if wrong, and the chance of right for the best trials."""

    right: np.ndarray
    wrong: np.ndarray
    chance: np.ndarray

    def differences(self, scores: np.ndarray) -> np.ndarray:
        """Those of a candidate with these scores on the first items."""
        right, wrong = self.right[: len(scores)], self.wrong[: len(scores)]
        found: np.ndarray = wrong + scores * (right - wrong)
        return found

    def after(self, done: int) -> Stakes:
        """The items after the first `done`."""
        return Stakes(self.right[done:], self.wrong[done:], self.chance[done:])


def is_below_zero(seen: np.ndarray, left: Stakes, error: float) -> bool:
    """Whether the mean of all differences is below zero, to judge by those `seen`.

    It certainly is if it would be with all items that are `left` right. Otherwise it is called so
    if the predicted chance that it is not is below `error`.
    """
    behind = -float(seen.sum())
    if left.right.sum() < behind - _ROUNDING:
        return True
    done, total = len(seen), len(seen) + len(left.right)
    if done == total:
        return False
    squares = float((seen**2).sum())
    square = max(squares / done, (squares + _expected_squares(left, behind)) / total)
    deviation = math.sqrt(square * (1 / done - 1 / total))
    return behind / done > _ROUNDING - NormalDist().inv_cdf(error) * deviation


def _expected_squares(left: Stakes, behind: float) -> float:
    """The expected sum of squares of the differences left, if their sum is `behind`."""
    gain = left.right - left.wrong
    moved = (behind - (left.wrong + left.chance * gain).sum()) / gain.sum()
    chance = np.clip(left.chance + moved, 0.0, 1.0)
    return float((chance * left.right**2 + (1 - chance) * left.wrong**2).sum())


def make_race(
    counts: Mapping[str, int],
    weights: Mapping[str, float],
    *,
    first: int,
    block: int,
    error: float,
    seed: int,
) -> Race:
    """All items of all tasks in one order that follows from `seed`, cut into blocks.

    Block 0 has `first` items, each later one `block`, or an eighth of those before it if that is
    more. `counts` and `weights` are the number of items and the weight in the fitness by task.
    """
    items = [(task, place) for task in sorted(counts) for place in range(counts[task])]
    order = generator(seed, _ORDER).permutation(len(items)).tolist()
    ends = [min(first, len(order))]
    while ends[-1] < len(order):
        ends.append(min(ends[-1] + max(block, ends[-1] // _GROWTH), len(order)))
    parts = [order[start:end] for start, end in pairwise([0, *ends])]
    total = math.fsum(weights.values())
    return Race(
        tuple(Block(number, tuple(items[i] for i in part)) for number, part in enumerate(parts)),
        {task: weights[task] / total * len(items) / counts[task] for task in counts},
        error,
    )
