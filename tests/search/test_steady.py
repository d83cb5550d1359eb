"""Steady state: every sampler that has one, asked while others are pending, told in any order."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from search.errors import SamplerError
from search.gene import Genome
from search.replay import LoggedTrial, replay_steady
from search.samplers import STEADY, Sampler, make_sampler
from tests.search.problems import GENES, SETTINGS, outcome_of, sphere

TRIALS, WORKERS, STOPS = 60, 9, 20
steady_samplers = pytest.mark.parametrize("name", STEADY)


def fresh(name: str, seeds: Sequence[Genome] = ()) -> Sampler:
    return make_sampler(SETTINGS[name], GENES, 7, 4, seeds=seeds, steady=True)


def run(sampler: Sampler, trials: int, workers: int = WORKERS, seed: int = 3) -> list[LoggedTrial]:
    """The log of a run whose workers take any time: which of them ends next is drawn."""
    draws, log, flying = random.Random(seed), list[LoggedTrial](), list[int]()
    first = sampler.next_number
    told = 0
    while len(log) < trials or flying:
        while len(log) < trials and len(flying) < workers:
            (genome,) = sampler.ask(1)
            flying.append(len(log))
            log.append(LoggedTrial(first + len(log), genome, asked_after=told))
        at = flying.pop(draws.randrange(len(flying)))
        trial = log[at]
        outcome = outcome_of(trial.number, trial.genome)
        sampler.tell(trial.number, trial.genome, outcome)
        log[at] = replace(trial, outcome=outcome, told=told)
        told += 1
    return log


def until(log: Sequence[LoggedTrial], asked: int, told: int) -> list[LoggedTrial]:
    """The log as it was when so many trials had been asked for and so many told."""
    return [
        one if one.told is not None and one.told < told else replace(one, outcome=None, told=None)
        for one in log[:asked]
    ]


@steady_samplers
def test_a_resumed_run_asks_for_the_same_next_trial(name: str) -> None:
    """At each of 20 random points."""
    log = run(fresh(name), TRIALS)
    for point in random.Random(5).sample(range(1, TRIALS), STOPS):
        told = log[point].asked_after
        assert told is not None
        known = until(log, point, told)
        sampler, report = replay_steady(fresh(name), known)
        assert (report.trials, report.diverged) == (point, 0)
        assert list(sampler.pending) == [one.number for one in known if one.outcome is None]
        assert sampler.ask(1) == [log[point].genome]


@steady_samplers
def test_a_draw_follows_from_what_was_told_before_it(name: str) -> None:
    """With another order of outcomes, those that learn draw other genomes."""
    one, other = (run(fresh(name), 40, seed=seed) for seed in (1, 2))
    same = [a.genome for a in one] == [b.genome for b in other]
    assert same == (name in ("random", "qmc"))
    assert len({trial.genome for trial in one}) > 30


@steady_samplers
def test_the_record_wins_over_what_would_be_drawn(name: str) -> None:
    log = run(fresh(name), 40)
    log[12] = replace(log[12], genome=tuple(gene.initial for gene in GENES))
    sampler, report = replay_steady(fresh(name), log)
    assert report.diverged >= 1
    assert not sampler.pending
    assert sampler.next_number == 44


@steady_samplers
def test_given_genomes_come_first(name: str) -> None:
    seeds = [tuple(gene.low for gene in GENES), tuple(gene.high for gene in GENES)]
    log = run(fresh(name, seeds), 20)
    assert [trial.genome for trial in log[:2]] == seeds
    assert replay_steady(fresh(name, seeds), log)[1].diverged == 0


@pytest.mark.parametrize("name", ["tpe", "nsga2"])
def test_those_that_learn_find_more_than_uniform_draws(name: str) -> None:
    best = {
        kind: max(sphere(trial.genome) for trial in run(fresh(kind), 150))
        for kind in (name, "random")
    }
    assert best[name] > best["random"]


def test_a_trial_is_told_once_and_generations_are_for_others() -> None:
    sampler = fresh("random")
    (genome,) = sampler.ask(1)
    sampler.tell(4, genome, outcome_of(4, genome))
    with pytest.raises(SamplerError, match="trial 4 is not"):
        sampler.tell(4, genome, outcome_of(4, genome))
    for kind in set(SETTINGS) - {*STEADY}:
        with pytest.raises(SamplerError, match="needs generations; steady are random"):
            make_sampler(SETTINGS[kind], GENES, 7, steady=True)


def test_a_log_without_its_order_is_refused() -> None:
    log = run(fresh("random"), 20)
    first, _, third = until(log, asked=3, told=0)
    with pytest.raises(SamplerError, match="lacks trial 5"):
        replay_steady(fresh("random"), [first, third])
    with pytest.raises(SamplerError, match="was asked after"):
        replay_steady(fresh("random"), [*log[:6], replace(log[6], asked_after=None), *log[7:]])
    with pytest.raises(SamplerError, match="lacks outcomes"):
        replay_steady(fresh("random"), [*log[:6], replace(log[6], told=99), *log[7:]])
