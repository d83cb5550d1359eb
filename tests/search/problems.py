"""Samplers under test, and a problem for them. Run as a program, it prints the next genomes."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from search.gene import Gene, Genome
from search.replay import LoggedTrial, replay
from search.sampler_spec import (
    CmaesSettings,
    GpSettings,
    Nsga2Settings,
    Nsga3Settings,
    OptunaCmaesSettings,
    QmcSettings,
    RandomSettings,
    SamplerSettings,
    TpeSettings,
)
from search.samplers import Outcome, Sampler, make_sampler

SETTINGS: dict[str, SamplerSettings] = {
    "cmaes": CmaesSettings(kind="cmaes", population=8, sigma=0.25),
    "cmaes-small": CmaesSettings(kind="cmaes", population=3),
    "cmaes-separable": CmaesSettings(kind="cmaes", covariance="separable"),
    "cmaes-decoding": CmaesSettings(kind="cmaes", covariance="diagonal_decoding"),
    "cmaes-ipop": CmaesSettings(kind="cmaes", population=4, restarts="ipop"),
    "cmaes-bipop": CmaesSettings(kind="cmaes", population=4, restarts="bipop"),
    "cmaes-slow": CmaesSettings(kind="cmaes", learning_rate=0.5),
    "optuna-cmaes": OptunaCmaesSettings(kind="optuna_cmaes", population=7),
    "optuna-separable": OptunaCmaesSettings(kind="optuna_cmaes", separable=True),
    "optuna-adaptive": OptunaCmaesSettings(kind="optuna_cmaes", lr_adapt=True),
    "tpe": TpeSettings(kind="tpe", batch=5, startup=12),
    "gp": GpSettings(kind="gp", batch=2, startup=4),
    "nsga2": Nsga2Settings(kind="nsga2", population=6),
    "nsga3": Nsga3Settings(kind="nsga3", population=6),
    "qmc": QmcSettings(kind="qmc", batch=7),
    "random": RandomSettings(kind="random", batch=7),
}
Score = Callable[[Sequence[float]], float]
# A draw of a Gaussian process takes a second on a busy machine.
FEW = {"gp": 7}
every_sampler = pytest.mark.parametrize("name", SETTINGS)
LEARNING = [name for name in SETTINGS if name not in ("qmc", "random", *FEW)]
WEIGHTS = [Gene(f"maths.weight[layers {i}-{i}]", -0.5, 2.0, 0.5) for i in range(5)]
DENSITIES = [Gene(f"ja.density[layers {i}-{i}]", 0.05, 1.0, 0.5) for i in range(5)]
GENES = (*WEIGHTS, *DENSITIES)
MIXED = (
    WEIGHTS[0],
    Gene("merge.layers", 0.0, 4.0, 2.0, edges=(0.5, 1.5, 2.5, 3.5)),
    Gene("merge.rule", 0.0, 3.0, 1.5, edges=(1.0, 2.0), ordered=False),
    Gene("use[ja 0 #1]", -1.0, 1.0, -1 / 6, edges=(0.0,)),
    DENSITIES[0],
)


def at_most(name: str, trials: int) -> int:
    """So many trials, or as many as the sampler's cost allows a test."""
    return min(trials, FEW.get(name, trials))


def mixed(genome: Sequence[float]) -> float:
    """Best, at 0, for a weight and a density of 0.8, three layers, the rule 2 and the switch on."""
    layers, rule, use = (gene.level(genome[i]) for i, gene in enumerate(MIXED) if gene.edges)
    distance = (genome[0] - 0.8) ** 2 + (genome[4] - 0.8) ** 2
    return -(distance + 0.2 * abs(layers - 3) + 0.4 * (rule != 2) + 0.4 * (use != 1))


def sphere(genome: Sequence[float]) -> float:
    """Best, at 0, for weights 0.2, 0.4, ... and densities of 1, which is a bound."""
    target = [0.2, 0.4, 0.6, 0.8, 1.0] + [1.0] * 5
    return -float(np.square(np.array(genome) - target).sum())


def outcome_of(number: int, genome: Genome, score: Score = sphere) -> Outcome:
    """The score, but every eleventh trial fails and every thirteenth is NaN."""
    if number % 11 == 10:
        return Outcome((), 0, failed=True)
    return Outcome((float("nan") if number % 13 == 12 else score(genome),), 10)


def fresh(name: str, seed: int = 7, first_number: int = 0, seeds: Sequence[Genome] = ()) -> Sampler:
    return make_sampler(SETTINGS[name], GENES, seed, first_number, seeds=seeds)


def sizes(sampler: Sampler, trials: int) -> Iterator[int]:
    """Generations of a budget: full ones, and what is left."""
    while trials > 0:
        size = min(sampler.batch, trials)
        trials -= size
        yield size


def run(sampler: Sampler, trials: int, score: Score = sphere) -> list[list[LoggedTrial]]:
    """The trial log of a run, generation by generation."""
    log = []
    for size in sizes(sampler, trials):
        first = sampler.next_number
        generation = [
            LoggedTrial(first + i, genome, outcome_of(first + i, genome, score))
            for i, genome in enumerate(sampler.ask(size))
        ]
        for trial in generation:
            assert trial.outcome is not None
            sampler.tell(trial.number, trial.genome, trial.outcome)
        log.append(generation)
    return log


def next_genomes(name: str, generations: int) -> list[Genome]:
    """The genomes after so many generations of a replayed run."""
    log = run(fresh(name), generations * fresh(name).batch)
    sampler, report = replay(fresh(name), log)
    assert report.diverged == 0
    return sampler.ask(sampler.batch)


if __name__ == "__main__":
    np.random.seed(int(sys.argv[2]))
    random.seed(sys.argv[2])
    print(json.dumps({name: next_genomes(name, int(sys.argv[1])) for name in SETTINGS}))
