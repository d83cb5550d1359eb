"""What both kinds of CMA-ES have in common: they learn from full populations, by rank."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

from search.gene import Gene
from search.samplers.generations import Trial


class Populations(ABC):
    """Gathers trials until there is a population of them, and hands it on in the order of ranks.

    A population is 4 + floor(3 ln n) for n genes unless given. A smaller generation waits: the
    constants of CMA-ES belong to one size. It uses ranks in place of values: a failed trial is then
    simply the last, and equal values have one order on every processor, that of their numbers.
    """

    def __init__(self, genes: Sequence[Gene], seed: int, population: int | None) -> None:
        self.batch = population or 4 + math.floor(3 * math.log(len(genes)))
        self.waiting: list[Trial] = []
        self._genes = genes
        self._seed = seed

    def learn(self, trials: Sequence[Trial]) -> None:
        """Take in a finished generation."""
        self.waiting += trials
        while len(self.waiting) >= self.batch:
            full = self.waiting[: self.batch]
            del self.waiting[: self.batch]
            ranked = sorted(full, key=lambda trial: (-trial.rank, trial.number))
            # Where all are equal, or all failed, ranks mean nothing.
            if ranked[0].rank > ranked[-1].rank:
                self.update(ranked)
            if ranked[0].rank == ranked[len(ranked) // 2].rank:
                self.flat()
            self.learnt(full)

    @abstractmethod
    def update(self, ranked: Sequence[Trial]) -> None:
        """Learn from a population, best first."""

    @abstractmethod
    def flat(self) -> None:
        """Answer a population of which the better half are equal."""

    @abstractmethod
    def learnt(self, trials: Sequence[Trial]) -> None:
        """Called after every population, in the order of numbers, even if it was a plateau."""
