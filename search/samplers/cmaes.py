"""CMA-ES by pycma (Hansen, "The CMA evolution strategy: a tutorial", arXiv 1604.00772)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np

from search.gene import Gene
from search.samplers.generations import Trial
from search.samplers.seeding import generator

with warnings.catch_warnings():
    # Importing pycma without matplotlib warns that it cannot plot.
    warnings.filterwarnings("ignore", message="Could not import matplotlib", category=UserWarning)
    import cma


class Evolution:
    """CMA-ES from the genes' initial values, updated by every full population of trials.

    `population` is 4 + floor(3 ln n) for n genes unless given. `sigma` is the first standard
    deviation in a gene's own unit: weights and densities are numbers of order one, where a step
    of 0.25 means the same for a weight in -0.5 to 2 and a density in 0.05 to 1. A gene whose
    range is narrower than 1 has `sigma` times its range instead, so that its first draws do not
    pile up at the bounds.

    A draw out of bounds is moved to the bound, and learnt from where it was evaluated: an optimum
    at a bound, such as a density of 1, is then within reach exactly. A genome that was given may
    lie where the distribution would hardly ever draw; pycma then shortens the step to it (Hansen,
    "Injecting external solutions into CMA-ES", arXiv 1110.4181).

    pycma works on genes divided by their unit (1, or the range if that is narrower). It sees
    ranks in place of values: CMA-ES uses no more, a failed trial is then simply the last, and
    equal values have one order on every processor, that of their numbers.
    """

    def __init__(
        self, genes: Sequence[Gene], seed: int, *, population: int | None, sigma: float
    ) -> None:
        self._seed = seed
        self.batch = population or 4 + math.floor(3 * math.log(len(genes)))
        self._low = np.array([gene.low for gene in genes])
        self._high = np.array([gene.high for gene in genes])
        self._unit = np.minimum(1.0, self._high - self._low)
        self._waiting: list[Trial] = []
        self._normal = generator(seed, 0)
        start = np.array([gene.initial for gene in genes]) / self._unit
        # With a seed, pycma would reseed numpy's global generator. Mirrored draws (its choice for
        # small populations) are matched to draws by their exact value, which bounds may change.
        options = {
            "popsize": self.batch,
            "seed": math.nan,
            "randn": self._draw,
            "CMA_mirrors": 0,
            "verbose": -9,
        }
        self._strategy = cma.CMAEvolutionStrategy(start, sigma, options)

    def propose(self, first: int, n: int) -> list[list[float]]:
        self._normal = generator(self._seed, first)
        drawn = np.array(self._strategy.ask(n)) * self._unit
        genomes: list[list[float]] = np.clip(drawn, self._low, self._high).tolist()
        return genomes

    def learn(self, trials: Sequence[Trial]) -> None:
        # A smaller generation waits until there is a population's worth of trials: pycma's
        # constants belong to one size.
        self._waiting += trials
        while len(self._waiting) >= self.batch:
            full = self._waiting[: self.batch]
            del self._waiting[: self.batch]
            self._update(full)

    def _update(self, trials: Sequence[Trial]) -> None:
        if len({trial.rank for trial in trials}) == 1:
            # On a plateau, or where all failed, ranks mean nothing: draw again from where we are.
            return
        ranked = sorted(trials, key=lambda trial: (-trial.rank, trial.number))
        solutions = [np.array(trial.genome) / self._unit for trial in ranked]
        # pycma wants a draw before every update; its numbers are used nowhere.
        self._strategy.ask(self.batch)
        self._strategy.tell(solutions, list(range(len(ranked))), check_points=True)

    def _draw(self, *shape: int) -> np.ndarray:
        return self._normal.standard_normal(shape)
