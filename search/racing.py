"""Racing: items are scored block by block, and candidates that cannot win are scored no further.

A candidate has to reach the fitness of a rival. It is compared item by item, not with the rival's
own scores, which are right or wrong by chance as its own are, but with the mean scores best_i of
several of the best trials: how hard an item is cancels, and their chance does not come on top of
the candidate's. What is then tested is the mean of the differences

    x_i = share_i (score_i - best_i) - (rival's fitness - mean fitness of the best)

All N items lie in one random order, so that those scored so far are a sample without replacement.
The test is that of Waudby-Smith and Ramdas, "Estimating means of bounded random variables by
betting" (arXiv 2010.09686), section 5: under the null hypothesis that the mean of all N differences
is at least 0, the next difference has, given those before it, a mean of at least -sum / left.
Whoever bets against that can expect no gain, so the capital

    K_t = product over i <= t of (1 - stake_i (x_i - mean_i)),   stake_i known before x_i,

is a nonnegative supermartingale, and by Ville's inequality it ever reaches 1 / error with a chance
of at most `error`, no matter how often one looks. The stakes are a mixture of fixed ones, as no
single stake suits a large and a small difference. Nothing is assumed of the scores but their range.

What is random is the order, which all candidates of a job share: `error` is the chance of one
candidate, and the errors of several are not independent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from search.samplers.seeding import generator

STAKES = (0.8, 0.4, 0.2)
"""Of capital, for a difference that is larger than expected by the whole range of a score.

The best stake is the mean difference by its variance. These suit the differences of 5 to 20 points
that a few hundred items can show; each further one would cost the others a share of the capital."""
PEERS = 10
"""So many of the best trials make the mean scores that a candidate's are compared with."""

# No bet can lose everything: a capital of 0 would never recover.
_CAUTION = 0.99
# Sums of equal scores such as 1/3 may differ by this.
_ROUNDING = 1e-9
# A stream of random numbers of its own, apart from those of trials, which count from 0.
_ORDER = -1 % 2**32

Scores = Mapping[str, Sequence[float]]
"""Item scores in [0, 1] by task."""


@dataclass(frozen=True)
class Rival:
    """What a candidate has to reach: `fitness`, in [0, 1].

    `scores` are mean scores of the best trials on all items, in the order of the tasks.
    """

    scores: Scores
    fitness: float


def make_rival(best: Sequence[Scores], fitness: float) -> Rival:
    """The rival of a fitness, given the scores of the best trials on all items."""
    means = {
        task: [
            math.fsum(values) / len(best)
            for values in zip(*(one[task] for one in best), strict=True)
        ]
        for task in best[0]
    }
    return Rival(means, fitness)


@dataclass(frozen=True)
class Block:
    """Items that are scored together, as (task, place in the task's split), in random order."""

    number: int
    items: tuple[tuple[str, int], ...]

    @cached_property
    def places(self) -> dict[str, tuple[int, ...]]:
        """The places by task, in the block's order; no entry for a task without any."""
        tasks = dict.fromkeys(task for task, _ in self.items)
        return {name: tuple(at for task, at in self.items if task == name) for name in tasks}


@dataclass(frozen=True)
class Race:
    """A job's items in blocks, and what each item counts in the fitness."""

    blocks: tuple[Block, ...]
    shares: Mapping[str, float]
    error: float

    @property
    def items(self) -> int:
        """The number of all items, N."""
        return sum(len(block.items) for block in self.blocks)

    def is_lost(self, scored: Sequence[Scores], rival: Rival) -> bool:
        """Whether a candidate scored on the first blocks is shown to stay below its rival.

        `scored` are the candidate's scores on block 0, 1, ..., in the order of their places.
        """
        ahead = self._ahead(rival)
        differences = self._differences(scored, rival)
        highest = [
            self._difference(task, at, 1.0, rival) - ahead
            for block in self.blocks[len(scored) :]
            for task, at in block.items
        ]
        if math.fsum(differences) + math.fsum(highest) < -_ROUNDING:
            return True
        scale = max(self.shares.values()) + abs(ahead)
        return is_below_zero([x / scale for x in differences], self.items, self.error)

    def estimate(self, scored: Sequence[Scores], rival: Rival) -> float:
        """The candidate's fitness on all items: the rival's, plus the mean weighted difference.

        That cancels how hard the items scored so far are. In [0, 1].
        """
        differences = self._differences(scored, rival)
        found = rival.fitness + math.fsum(differences) / len(differences)
        return min(1.0, max(0.0, found))

    def _differences(self, scored: Sequence[Scores], rival: Rival) -> list[float]:
        """Such that their mean over all items is the candidate's fitness less the rival's."""
        ahead = self._ahead(rival)
        found = []
        for block, scores in zip(self.blocks, scored, strict=False):
            following = {task: iter(values) for task, values in scores.items()}
            found += [
                self._difference(task, at, next(following[task]), rival) - ahead
                for task, at in block.items
            ]
        return found

    def _difference(self, task: str, at: int, score: float, rival: Rival) -> float:
        return self.shares[task] * (score - rival.scores[task][at])

    def _ahead(self, rival: Rival) -> float:
        """How far the rival's fitness is above the mean fitness of the best."""
        items = [item for block in self.blocks for item in block.items]
        mean = math.fsum(self.shares[task] * rival.scores[task][at] for task, at in items)
        return rival.fitness - mean / self.items


def make_race(
    counts: Mapping[str, int],
    weights: Mapping[str, float],
    *,
    block: int,
    error: float,
    seed: int,
) -> Race:
    """All items of all tasks in one order that follows from `seed`, cut into blocks of `block`.

    `counts` and `weights` are the number of items and the weight in the fitness by task.
    """
    items = [(task, place) for task in sorted(counts) for place in range(counts[task])]
    order = generator(seed, _ORDER).permutation(len(items)).tolist()
    parts = [order[start : start + block] for start in range(0, len(order), block)]
    total = math.fsum(weights.values())
    return Race(
        tuple(Block(number, tuple(items[i] for i in part)) for number, part in enumerate(parts)),
        {task: weights[task] / total * len(items) / counts[task] for task in counts},
        error,
    )


def is_below_zero(differences: Sequence[float], total: int, error: float) -> bool:
    """Whether the mean of `total` numbers in [-1, 1] is shown to be below 0.

    `differences` are the first of them in random order. Of numbers whose mean is 0 or more, true
    with a chance of at most `error`, over however many looks at a growing sequence.
    """
    capitals = [1.0] * len(STAKES)
    seen = 0.0
    for done, x in enumerate(differences):
        expected = -seen / (total - done)
        if expected > 1 + _ROUNDING:
            return True
        if expected <= -1:
            return False
        limit = _CAUTION / max(1 - expected, _ROUNDING)
        capitals = [
            capital * (1 - min(stake, limit) * (x - expected))
            for capital, stake in zip(capitals, STAKES, strict=True)
        ]
        if sum(capitals) >= len(STAKES) / error:
            return True
        seen += x
    return False
