"""What both kinds of CMA-ES have in common: they learn from full populations, by rank."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

from search.gene import Gene, Genome
from search.samplers.generations import Trial


class Populations(ABC):
    """Gathers trials until there is a population of them, and hands it on in the order of ranks.

    A population is 4 + floor(3 ln n) for n genes unless given. A smaller generation waits: the
    constants of CMA-ES belong to one size. It uses ranks in place of values: a failed trial is then
    simply the last, and equal values have one order on every processor, that of their numbers.

    Genomes that were given make no population, whose spread would say nothing of the landscape: the
    search starts from the best of them.
    """

    def __init__(self, genes: Sequence[Gene], seed: int, population: int | None) -> None:
        self.batch = population or 4 + math.floor(3 * math.log(len(genes)))
        self.waiting: list[Trial] = []
        self._genes = genes
        self._seed = seed
        self._best_given: Trial | None = None

    def learn(self, trials: Sequence[Trial]) -> None:
        """Take in a finished generation."""
        self._start_from([trial for trial in trials if trial.given])
        self.waiting += [trial for trial in trials if not trial.given]
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

    def _start_from(self, given: Sequence[Trial]) -> None:
        known = [] if self._best_given is None else [self._best_given]
        scored = [trial for trial in [*known, *given] if trial.rank > -math.inf]
        if given and scored:
            self._best_given = max(scored, key=lambda trial: (trial.rank, -trial.number))
            self.start(self._best_given.genome)

    @abstractmethod
    def start(self, genome: Genome) -> None:
        """Draw around this genome, before anything is learnt."""

    @abstractmethod
    def update(self, ranked: Sequence[Trial]) -> None:
        """Learn from a population, best first."""

    @abstractmethod
    def flat(self) -> None:
        """Answer a population of which the better half are equal."""

    @abstractmethod
    def learnt(self, trials: Sequence[Trial]) -> None:
        """Called after every population, in the order of numbers, even if it was a plateau."""
