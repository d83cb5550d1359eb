"""Quasi-random draws by Optuna: a scrambled Sobol sequence (Owen, 1995)."""

from __future__ import annotations

from collections.abc import Sequence

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import QMCSampler

from search.gene import Gene
from search.samplers.generations import Trial
from search.samplers.seeding import small_seed
from search.samplers.study import experimental, new_study


class Sobol:
    """Draws that fill the space evenly, for any number of objectives.

    All draws of a stage are one sequence, so it has one seed, derived from the number of the first
    draw. The place in the sequence is kept in the study's attributes.
    """

    def __init__(self, genes: Sequence[Gene], seed: int, *, batch: int) -> None:
        self.batch = batch
        self._genes = genes
        self._seed = seed
        self._sampler: QMCSampler | None = None
        self._study = new_study(objectives=1)
        self._space: dict[str, BaseDistribution] = {
            gene.name: FloatDistribution(gene.low, gene.high) for gene in genes
        }

    def propose(self, first: int, n: int) -> list[list[float]]:
        if self._sampler is None:
            with experimental():
                self._sampler = QMCSampler(scramble=True, seed=small_seed(self._seed, first))
        pending = optuna.trial.create_trial(state=optuna.trial.TrialState.RUNNING)
        drawn = [self._sampler.sample_relative(self._study, pending, self._space) for _ in range(n)]
        return [[float(one[gene.name]) for gene in self._genes] for one in drawn]

    def learn(self, trials: Sequence[Trial]) -> None:
        """Nothing: a draw owes nothing to those before it but its place."""
