"""Tree-structured Parzen estimator by Optuna (Watanabe, arXiv 2304.11127)."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution

from search.gene import Gene
from search.samplers.generations import Trial
from search.samplers.random import uniform_genome
from search.samplers.seeding import small_seed

# It announces every study; a search's own trial log says more.
logging.getLogger("optuna.storages._in_memory").setLevel(logging.WARNING)


class Parzen:
    """Multivariate TPE over finished generations, after `startup` uniform trials.

    The trials of a generation are drawn from one model by generators of their own, which keeps
    them apart. It is an Optuna study that holds finished trials only, and a fresh Optuna sampler a
    trial.
    """

    def __init__(self, genes: Sequence[Gene], seed: int, *, batch: int, startup: int) -> None:
        self.batch = batch
        self._genes = genes
        self._seed = seed
        self._startup = startup
        self._space: dict[str, BaseDistribution] = {
            gene.name: FloatDistribution(gene.low, gene.high) for gene in genes
        }
        self._finished = 0
        self._study = optuna.create_study(study_name="search", direction="maximize")

    def propose(self, first: int, n: int) -> list[list[float]]:
        numbers = range(first, first + n)
        if self._finished < self._startup:
            return [uniform_genome(self._genes, self._seed, number) for number in numbers]
        return [self._draw(number) for number in numbers]

    def learn(self, trials: Sequence[Trial]) -> None:
        for trial in trials:
            self._study.add_trial(
                optuna.trial.create_trial(
                    params={
                        gene.name: value
                        for gene, value in zip(self._genes, trial.genome, strict=True)
                    },
                    distributions=self._space,
                    # -inf for a failed trial: Optuna leaves out what it calls failed, and would
                    # go on proposing more of the same.
                    value=trial.rank,
                )
            )
        self._finished += len(trials)

    def _draw(self, number: int) -> list[float]:
        sampler = optuna.samplers.TPESampler(
            seed=small_seed(self._seed, number),
            n_startup_trials=self._startup,
            multivariate=True,
            constant_liar=False,
        )
        pending = optuna.trial.create_trial(state=optuna.trial.TrialState.RUNNING)
        chosen = sampler.sample_relative(self._study, pending, self._space)
        return [float(chosen[gene.name]) for gene in self._genes]
