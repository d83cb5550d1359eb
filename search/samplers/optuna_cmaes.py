"""CMA-ES by the `cmaes` library, the engine of Optuna's.

It is driven without Optuna's wrapper, which pickles the distribution into every generation's trials
and reads all trials for every draw: here memory and the cost of a trial stay flat.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from cmaes import CMA, CMAwM, SepCMA

from search.gene import Gene, Genome
from search.samplers.generations import Trial
from search.samplers.populations import Populations
from search.samplers.seeding import small_seed


class MarginEvolution(Populations):
    """CMA-ES from the genes' initial values, on genes as shares of their ranges.

    Genes with levels have a margin (Hamano et al., "CMA-ES with margin", arXiv 2205.13482): every
    level keeps a chance of at least 1 / (genes x population). With `separable` (Ros and Hansen,
    2008) or `lr_adapt` (Nomura, Akimoto and Ono, arXiv 2304.03473) they are numbers, rounded.

    A draw out of bounds is drawn again, and in the end moved to the bound.
    """

    def __init__(
        self,
        genes: Sequence[Gene],
        seed: int,
        *,
        population: int | None,
        sigma: float,
        separable: bool,
        lr_adapt: bool,
    ) -> None:
        super().__init__(genes, seed, population)
        self._drawn: dict[int, tuple[list[float], np.ndarray]] = {}
        self._sigma = sigma
        self._separable = separable
        self._lr_adapt = lr_adapt
        self.start([gene.initial for gene in genes])

    def start(self, genome: Sequence[float]) -> None:
        mean, sigma = np.array(self._shares(genome)), self._sigma
        bounds = np.array([[0.0, 1.0]] * len(self._genes))
        size, resampling = self.batch, 10 * len(self._genes)
        steps = np.array([1 / len(gene.edges) if gene.edges else 0.0 for gene in self._genes])
        self._engine: CMA | CMAwM | SepCMA
        # Its covariance has one number a gene, of which a single gene has nothing to gain.
        if self._separable and len(self._genes) > 1:
            self._engine = SepCMA(mean, sigma, bounds, resampling, 0, size)
        elif steps.any() and not (self._lr_adapt or self._separable):
            self._engine = CMAwM(mean, sigma, bounds, steps, resampling, 0, size)
        else:
            self._engine = CMA(mean, sigma, bounds, resampling, 0, size, lr_adapt=self._lr_adapt)

    def propose(self, first: int, n: int) -> list[list[float]]:
        return [self._draw(number) for number in range(first, first + n)]

    def update(self, ranked: Sequence[Trial]) -> None:
        self._engine.tell([(self._told(trial), float(i)) for i, trial in enumerate(ranked)])

    def flat(self) -> None:
        """The distribution stays as it is; the next draws are others."""

    def learnt(self, trials: Sequence[Trial]) -> None:
        for trial in trials:
            self._drawn.pop(trial.number, None)

    def _draw(self, number: int) -> list[float]:
        self._engine.reseed_rng(small_seed(self._seed, number))
        answer = self._engine.ask()
        shares, raw = answer if isinstance(answer, tuple) else (answer, answer)
        genome = [
            gene.middle(round(share * len(gene.edges)))
            if gene.edges
            else gene.clip(gene.low + share * (gene.high - gene.low))
            for gene, share in zip(self._genes, shares.tolist(), strict=True)
        ]
        self._drawn[number] = (genome, raw)
        return genome

    def _told(self, trial: Trial) -> np.ndarray:
        """The point that was drawn, unless another genome was evaluated."""
        genome, raw = self._drawn.get(trial.number, (None, np.empty(0)))
        return raw if genome == list(trial.genome) else np.array(self._shares(trial.genome))

    def _shares(self, genome: Sequence[float] | Genome) -> list[float]:
        return [
            gene.level(value) / len(gene.edges)
            if gene.edges
            else (value - gene.low) / (gene.high - gene.low)
            for gene, value in zip(self._genes, genome, strict=True)
        ]
