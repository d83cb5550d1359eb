"""Bayesian optimisation with a Gaussian process by Optuna (log expected improvement: Ament et al.,
arXiv 2310.20708)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import NormalDist

import optuna
from optuna.samplers import GPSampler

from search.gene import Gene
from search.samplers.generations import SHORT, Trial
from search.samplers.random import uniform_genome
from search.samplers.seeding import small_seed
from search.samplers.study import Coding, draw, experimental, new_study


class Gaussian:
    """A Gaussian process over all finished trials, after `startup` uniform ones.

    It learns every objective's normal scores: the ranks of values, as quantiles of a normal
    distribution (Salinas, Shen and Perrone, arXiv 1909.13595), of equal ones the mean rank. So a
    failed trial is the last by one rank, not by an amount that would flatten all others, and a
    censored one ranks below all that was scored whole. Constraints have processes of their own;
    a failed trial misses them as much as the worst did.

    The trials of a generation are drawn one by one, each as if the ones before it had been scored
    as the process expects.
    """

    def __init__(
        self, genes: Sequence[Gene], seed: int, *, batch: int, startup: int, objectives: int
    ) -> None:
        self.batch = batch
        self._genes = genes
        self._seed = seed
        self._startup = startup
        self._objectives = objectives
        self._coding = Coding(genes)
        self._trials: list[Trial] = []

    def propose(self, first: int, n: int) -> list[list[float]]:
        numbers = range(first, first + n)
        if len(self._trials) < self._startup:
            return [uniform_genome(self._genes, self._seed, number) for number in numbers]
        study = self._build()
        drawn = [draw(study, self._sampler(number), self._coding.space) for number in numbers]
        return [self._coding.genome(trial.params) for trial in drawn]

    def learn(self, trials: Sequence[Trial]) -> None:
        self._trials += trials

    def _build(self) -> optuna.Study:
        """Ranks change with every trial, so a study is made anew for every generation."""
        study = new_study(self._objectives)
        columns = [
            normal_scores([_ranked(trial, objective) for trial in self._trials])
            for objective in range(self._objectives)
        ]
        rows = zip(*columns, strict=True)
        for trial, values, missed in zip(self._trials, rows, self._constraints(), strict=True):
            study.add_trial(
                optuna.trial.create_trial(
                    params=self._coding.parameters(trial.genome),
                    distributions=self._coding.space,
                    values=values,
                    constraints={str(place): one for place, one in enumerate(missed)},
                )
            )
        return study

    def _constraints(self) -> Iterator[Sequence[float]]:
        known = [trial.constraints for trial in self._trials if trial.constraints]
        worst = [max(column) for column in zip(*known, strict=True)]
        for trial in self._trials:
            yield trial.constraints or worst

    def _sampler(self, number: int) -> GPSampler:
        with experimental():
            # Startup draws are ours.
            return GPSampler(seed=small_seed(self._seed, number), n_startup_trials=0)


def normal_scores(values: Sequence[float]) -> list[float]:
    """The quantile of each value's rank r, from 1, in a normal distribution: that of
    (r - 1/2) / number of values. Equal values have their mean rank."""
    order = sorted(values)
    first: dict[float, int] = {}
    last: dict[float, int] = {}
    for rank, value in enumerate(order, 1):
        first.setdefault(value, rank)
        last[value] = rank
    normal = NormalDist()
    return [normal.inv_cdf(((first[x] + last[x]) / 2 - 0.5) / len(values)) for x in values]


def _ranked(trial: Trial, objective: int) -> float:
    """What the trial is ranked by in one objective. Constraints are learnt apart."""
    if not trial.values:
        return -math.inf
    missed = any(constraint > 0 for constraint in trial.constraints)
    return trial.values[objective] if missed or not trial.shortfall else SHORT * trial.shortfall
