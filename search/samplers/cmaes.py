"""CMA-ES by pycma (Hansen, "The CMA evolution strategy: a tutorial", arXiv 1604.00772)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from search.gene import Gene, Genome
from search.samplers.generations import Trial
from search.samplers.populations import Populations
from search.samplers.restarts import Kind, Restarts, Run
from search.samplers.seeding import generator

with warnings.catch_warnings():
    # Importing pycma without matplotlib warns that it cannot plot.
    warnings.filterwarnings("ignore", message="Could not import matplotlib", category=UserWarning)
    import cma

LARGE = 200
"""Genes above which the covariance is diagonal unless the settings say otherwise."""

WIDENING, WIDEST = 1.5, 0.5
"""Where the better half of a population have equal scores, standard deviations grow by this factor
(pycma's rule for plateaus), until the largest is this many units."""


class Evolution(Populations):
    """CMA-ES from the genes' initial values, updated by every full population of trials.

    `sigma` is the first standard deviation in a gene's own unit: weights and densities are numbers
    of order one, where a step of 0.25 means the same for a weight in -0.5 to 2 and a density in
    0.05 to 1. A gene whose
    range is narrower than 1, or that has more than two levels, has `sigma` times its range
    instead: its first draws do not pile up at the bounds, and do not all mean the same.

    A draw out of bounds is moved to the bound, and learnt from where it was evaluated: an optimum
    at a bound, such as a density of 1, is then within reach exactly. A genome of an earlier search
    may lie where the distribution would hardly ever draw; pycma then shortens the step to it
    (Hansen, "Injecting external solutions into CMA-ES", arXiv 1110.4181).

    The levels of a gene never die out: its standard deviation stays such that from the middle of
    a level another one is drawn with a chance of 1 / (genes x population), the margin of Hamano et
    al. (arXiv 2205.13482), and its mean stays between the middles of the first and the last.

    A plateau, such as all zero, widens the search.

    `covariance` is `full`; `separable`, of which only the diagonal is learnt (Ros and Hansen,
    2008); or `diagonal_decoding`, both at once (Akimoto and Hansen, arXiv 1905.05885).
    `learning_rate` multiplies those of mean and covariance.

    pycma works on genes divided by their unit.
    """

    def __init__(
        self,
        genes: Sequence[Gene],
        seed: int,
        *,
        population: int | None,
        sigma: float,
        covariance: str | None = None,
        restarts: Kind = "none",
        learning_rate: float = 1.0,
    ) -> None:
        super().__init__(genes, seed, population)
        self._low = np.array([gene.low for gene in genes])
        self._high = np.array([gene.high for gene in genes])
        self._unit = np.array([_unit(gene) for gene in genes])
        self._covariance = covariance or ("full" if len(genes) <= LARGE else "separable")
        self._learning_rate = learning_rate
        self._normal = generator(seed, 0)
        self._restarts = Restarts(restarts, seed, self.batch, sigma, len(genes))
        self._begin(Run(self.batch, sigma), np.array([gene.initial for gene in genes]))

    def propose(self, first: int, n: int) -> list[list[float]]:
        self._normal = generator(self._seed, first)
        drawn = np.array(self._strategy.ask(n)) * self._unit
        genomes: list[list[float]] = np.clip(drawn, self._low, self._high).tolist()
        return genomes

    def start(self, genome: Genome) -> None:
        self._strategy.mean = np.clip(np.array(genome) / self._unit, self._first, self._last)

    def update(self, ranked: Sequence[Trial]) -> None:
        solutions = [np.array(trial.genome) / self._unit for trial in ranked]
        # pycma wants a draw before every update; its numbers are used nowhere.
        self._strategy.ask(self.batch)
        self._strategy.tell(solutions, list(range(len(ranked))), check_points=True)
        self._strategy.mean = np.clip(self._strategy.mean, self._first, self._last)

    def flat(self) -> None:
        if np.max(self._strategy.stds) < WIDEST:
            self._strategy.sigma *= WIDENING

    def learnt(self, trials: Sequence[Trial]) -> None:
        widest = float(np.max(self._strategy.stds)) if self._restarts.on else math.inf
        run = self._restarts.after(trials, widest)
        if run is not None:
            self.waiting.clear()
            shares = generator(self._seed, trials[-1].number, 1).random(len(self._genes))
            self._begin(run, self._low + shares * (self._high - self._low))

    def _begin(self, run: Run, start: np.ndarray) -> None:
        self.batch = run.population
        middles = [(gene.middle(0), gene.middle(len(gene.edges))) for gene in self._genes]
        ends = [
            two if gene.edges else (gene.low, gene.high)
            for gene, two in zip(self._genes, middles, strict=True)
        ]
        self._first, self._last = (np.array(end) / self._unit for end in zip(*ends, strict=True))
        # With a seed, pycma would reseed numpy's global generator. Mirrored draws (its choice for
        # small populations, and for the step size with a diagonal covariance) are matched to draws
        # by their exact value, which bounds may change.
        options = {
            "popsize": self.batch,
            "seed": math.nan,
            "randn": self._draw,
            "CMA_mirrors": 0,
            "AdaptSigma": cma.sigma_adaptation.CMAAdaptSigmaCSA,
            "CMA_diagonal": self._covariance == "separable",
            "CMA_diagonal_decoding": float(self._covariance == "diagonal_decoding"),
            "CMA_cmean": self._learning_rate,
            "CMA_on": self._learning_rate,
            "minstd": [self._least(gene) for gene in self._genes] / self._unit,
            "verbose": -9,
        }
        self._strategy = cma.CMAEvolutionStrategy(start / self._unit, run.sigma, options)

    def _least(self, gene: Gene) -> float:
        """The least standard deviation of a gene."""
        if not gene.edges:
            return 0.0
        chance = 1 / (len(self._genes) * self.batch)
        half = (gene.high - gene.low) / (len(gene.edges) + 1) / 2
        return half / -NormalDist().inv_cdf(chance / 2)

    def _draw(self, *shape: int) -> np.ndarray:
        return self._normal.standard_normal(shape)


def _unit(gene: Gene) -> float:
    width = gene.high - gene.low
    return width if len(gene.edges) > 1 else min(1.0, width)
