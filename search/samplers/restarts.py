"""When CMA-ES has come to a halt, and how it begins anew.

IPOP: Auger and Hansen, "A restart CMA evolution strategy with increasing population size", 2005.
BIPOP: Hansen, "Benchmarking a BI-population CMA-ES on the BBOB-2009 function testbed", 2009.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from search.samplers.generations import Trial
from search.samplers.seeding import generator

Kind = Literal["none", "ipop", "bipop"]

LARGEST = 1000
SMALLEST_STEP = 1e-3
"""Of the first standard deviation. A finer one tells nothing apart: scores are of some hundred
items, and weights are stored in 16 bits."""


@dataclass(frozen=True)
class Run:
    """One run of CMA-ES, with steps of `sigma` at first."""

    population: int
    sigma: float


class Restarts:
    """Watches a run, and says when another one begins.

    A run is over when its largest standard deviation, in units, is below `SMALLEST_STEP` of the
    first, or when its best has not improved for 10 + ceil(30 n / population) populations of n
    genes (Hansen's limit for equal values). Every draw comes from the number of the run's last
    trial, so that a replay begins the same runs.
    """

    def __init__(self, kind: Kind, seed: int, population: int, sigma: float, genes: int) -> None:
        self.on = kind != "none"
        self._bipop = kind == "bipop"
        self._seed = seed
        self._default = Run(population, sigma)
        self._genes = genes
        self._large = population
        self._spent = {"large": 0, "small": 0}
        self._run = self._default
        self._regime = "large"
        self._best = -math.inf
        self._idle = 0

    def after(self, trials: Sequence[Trial], widest: float) -> Run | None:
        """The run that follows, if the present one is over after these trials.

        `widest` is the largest standard deviation that it has now.
        """
        if not self.on:
            return None
        self._spent[self._regime] += len(trials)
        best = max(trial.rank for trial in trials)
        self._idle = 0 if best > self._best else self._idle + 1
        self._best = max(best, self._best)
        patience = 10 + math.ceil(30 * self._genes / self._run.population)
        if self._idle < patience and widest >= SMALLEST_STEP * self._run.sigma:
            return None
        # The first run belongs to neither regime.
        if self._bipop and self._large > self._default.population and self._is_small_due():
            self._begin(self._small(trials[-1].number), "small")
        else:
            self._large = min(2 * self._large, LARGEST)
            self._begin(Run(self._large, self._default.sigma), "large")
        return self._run

    def _begin(self, run: Run, regime: str) -> None:
        self._run = run
        self._regime = regime
        self._best = -math.inf
        self._idle = 0

    def _is_small_due(self) -> bool:
        return self._spent["small"] < self._spent["large"]

    def _small(self, number: int) -> Run:
        """Population default * (large / (2 default))^(u^2), sigma default * 10^(-2 v), u and v
        uniform."""
        one, other = generator(self._seed, number, 2).random(2).tolist()
        least = self._default.population
        population = math.floor(least * (0.5 * self._large / least) ** (one * one))
        return Run(max(3, population), self._default.sigma * 10 ** (-2 * other))
