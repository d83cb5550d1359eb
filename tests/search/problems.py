"""Samplers under test, and a problem for them. Run as a program, it prints the next genomes."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Sequence

import numpy as np

from search.gene import Gene, Genome
from search.replay import LoggedTrial, replay
from search.sampler_spec import CmaesSettings, RandomSettings, SamplerSettings, TpeSettings
from search.samplers import Outcome, Sampler, make_sampler

SETTINGS: dict[str, SamplerSettings] = {
    "cmaes": CmaesSettings(kind="cmaes", population=8, sigma=0.25),
    "cmaes-small": CmaesSettings(kind="cmaes", population=3),
    "tpe": TpeSettings(kind="tpe", batch=5, startup=12),
    "random": RandomSettings(kind="random", batch=7),
}
WEIGHTS = [Gene(f"maths.weight[layers {i}-{i}]", -0.5, 2.0, 0.5) for i in range(5)]
DENSITIES = [Gene(f"ja.density[layers {i}-{i}]", 0.05, 1.0, 0.5) for i in range(5)]
GENES = (*WEIGHTS, *DENSITIES)


def sphere(genome: Sequence[float]) -> float:
    """Best, at 0, for weights 0.2, 0.4, ... and densities of 1, which is a bound."""
    target = [0.2, 0.4, 0.6, 0.8, 1.0] + [1.0] * 5
    return -float(np.square(np.array(genome) - target).sum())


def outcome_of(number: int, genome: Genome) -> Outcome:
    """The sphere, but every eleventh trial fails and every thirteenth is NaN."""
    if number % 11 == 10:
        return Outcome((), 0, failed=True)
    return Outcome((float("nan") if number % 13 == 12 else sphere(genome),), 10)


def fresh(name: str, seed: int = 7, first_number: int = 0, seeds: Sequence[Genome] = ()) -> Sampler:
    return make_sampler(SETTINGS[name], GENES, seed, first_number, seeds=seeds)


def sizes(sampler: Sampler, trials: int) -> list[int]:
    """Generations of a budget: full ones, and what is left."""
    full, rest = divmod(trials, sampler.batch)
    return [sampler.batch] * full + [rest] * (rest > 0)


def run(sampler: Sampler, trials: int) -> list[list[LoggedTrial]]:
    """The trial log of a run, generation by generation."""
    log = []
    for size in sizes(sampler, trials):
        first = sampler.next_number
        generation = [
            LoggedTrial(first + i, genome, outcome_of(first + i, genome))
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
