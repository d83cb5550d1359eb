"""What Optuna's samplers have in common: genes as its parameters, and a study in memory.

A fresh Optuna sampler a trial, seeded by the trial's number, makes a draw a function of the study's
history alone. Nothing of a study is kept: it is built again from the trial log.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseGASampler, BaseSampler
from optuna.trial import FrozenTrial, TrialState

from search.gene import Gene, Genome
from search.samplers.generations import Trial
from search.samplers.random import uniform_genome
from search.samplers.seeding import small_seed

# It announces every study; a search's own trial log says more.
logging.getLogger("optuna.storages._in_memory").setLevel(logging.WARNING)

Parameters = dict[str, float | int]
MakeSampler = Callable[[int], BaseSampler]
"""An Optuna sampler from a seed of 32 bits."""


class Coding:
    """Genes as Optuna's parameters: a number, or the level of a gene that has levels."""

    def __init__(self, genes: Sequence[Gene]) -> None:
        self._genes = genes
        self.space = {gene.name: _distribution(gene) for gene in genes}

    def parameters(self, genome: Genome) -> Parameters:
        """The parameters of a genome."""
        return {
            gene.name: gene.level(value) if gene.edges else value
            for gene, value in zip(self._genes, genome, strict=True)
        }

    def genome(self, parameters: Mapping[str, Any]) -> list[float]:
        """The genome of parameters: of a level, the number in its middle."""
        return [
            gene.middle(int(parameters[gene.name])) if gene.edges else float(parameters[gene.name])
            for gene in self._genes
        ]


class StudyStrategy:
    """Proposes by an Optuna sampler from all finished trials, after `startup` uniform ones.

    What falls short (see `search.samplers.generations.FAILED`) is told as one constraint, which
    Optuna ranks by before it looks at values.
    """

    def __init__(
        self,
        genes: Sequence[Gene],
        seed: int,
        make: MakeSampler,
        *,
        batch: int,
        startup: int,
        objectives: int,
    ) -> None:
        self.batch = batch
        self._genes = genes
        self._seed = seed
        self._make = make
        self._startup = startup
        self._coding = Coding(genes)
        self._study = new_study(objectives)
        self._asked: dict[int, optuna.Trial] = {}
        self._finished = 0
        self._objectives = objectives
        self._lowest: list[float] | None = None

    def propose(self, first: int, n: int) -> list[list[float]]:
        numbers = range(first, first + n)
        if self._finished < self._startup:
            return [uniform_genome(self._genes, self._seed, number) for number in numbers]
        for number in numbers:
            self._asked[number] = self._ask(number)
        return [self._coding.genome(self._asked[number].params) for number in numbers]

    def learn(self, trials: Sequence[Trial]) -> None:
        for trial in trials:
            parameters = self._coding.parameters(trial.genome)
            asked = self._asked.pop(trial.number, None)
            if asked is not None and asked.params != parameters:
                self._study.tell(asked, state=TrialState.FAIL)
                asked = None
            asked = asked or self._ask(trial.number, parameters)
            asked.set_constraint("shortfall", trial.shortfall)
            self._study.tell(asked, self._values(trial))
        self._finished += len(trials)

    def _ask(self, number: int, given: Parameters | None = None) -> optuna.Trial:
        with experimental():
            sampler = self._make(small_seed(self._seed, number))
        return draw(self._study, sampler, self._coding.space, given)

    def _values(self, trial: Trial) -> list[float]:
        """A trial's values; of a failed one, which Optuna would pass over, the lowest so far."""
        if not trial.values:
            return self._lowest or [0.0] * self._objectives
        values = list(trial.values)
        self._lowest = [min(pair) for pair in zip(self._lowest or values, values, strict=True)]
        return values


@contextmanager
def experimental() -> Iterator[None]:
    """Optuna warns of every sampler whose interface may change yet; versions here are pinned."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


def new_study(objectives: int) -> optuna.Study:
    """An empty study in memory that maximises so many values."""
    return optuna.create_study(study_name="search", directions=["maximize"] * objectives)


def draw(
    study: optuna.Study,
    sampler: BaseSampler,
    space: Mapping[str, BaseDistribution],
    given: Parameters | None = None,
) -> optuna.Trial:
    """A running trial of the study, drawn by the sampler or with parameters that are given."""
    study.sampler = _Known(sampler, dict(space), given)
    return study.ask(dict(space))


class _Known(BaseSampler):
    """An Optuna sampler that is told the space, which Optuna would gather from all past trials."""

    def __init__(
        self,
        sampler: BaseSampler,
        space: dict[str, BaseDistribution],
        given: Parameters | None,
    ) -> None:
        self._sampler = sampler
        self._space = space
        self._given = given

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._space

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if self._given is None:
            return self._sampler.sample_relative(study, trial, search_space)
        if isinstance(self._sampler, BaseGASampler):
            # This is what makes a trial one of its population.
            self._sampler.get_trial_generation(study, trial)
        return self._given

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        self._sampler.before_trial(study, trial)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        self._sampler.after_trial(study, trial, state, values)


def _distribution(gene: Gene) -> BaseDistribution:
    if not gene.edges:
        return FloatDistribution(gene.low, gene.high)
    if gene.ordered:
        return IntDistribution(0, len(gene.edges))
    return CategoricalDistribution(range(len(gene.edges) + 1))
