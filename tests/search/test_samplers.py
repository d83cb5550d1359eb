"""What every sampler promises (`search.samplers.base.Sampler`), held to by each of them."""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from search.errors import SamplerError
from search.gene import Gene
from search.replay import LoggedTrial, replay
from search.samplers import Outcome, make_sampler
from tests.search.problems import (
    GENES,
    SETTINGS,
    fresh,
    next_genomes,
    outcome_of,
    run,
    sizes,
    sphere,
)

every_sampler = pytest.mark.parametrize("name", SETTINGS)
SHARES = (0.1, 0.3, 0.5, 0.6, 0.75, 0.8, 0.9, 1.0, 0.0)
GOLDEN = Path(__file__).with_name("golden.json")


@every_sampler
def test_genomes_lie_within_bounds_and_differ(name: str) -> None:
    log = run(fresh(name), 200)
    genomes = [trial.genome for generation in log for trial in generation]
    assert len(set(genomes)) == 200
    for genome in genomes:
        assert all(
            gene.low <= value <= gene.high for gene, value in zip(GENES, genome, strict=True)
        )


@every_sampler
def test_numbers_are_consecutive_from_the_first(name: str) -> None:
    log = run(fresh(name, first_number=40), 33)
    assert [trial.number for generation in log for trial in generation] == list(range(40, 73))
    other = run(fresh(name), 33)
    assert log[0][0].genome != other[0][0].genome


@every_sampler
def test_another_seed_gives_another_run(name: str) -> None:
    assert fresh(name, seed=1).ask(3) != fresh(name, seed=2).ask(3)


@every_sampler
def test_given_genomes_come_first(name: str) -> None:
    """The draws that follow are those of their numbers, and a resumed run goes on alike."""
    seeds = [tuple(gene.low + share * (gene.high - gene.low) for gene in GENES) for share in SHARES]
    log = run(fresh(name, first_number=3, seeds=seeds), 60)
    genomes = [trial.genome for generation in log for trial in generation]
    assert genomes[: len(seeds)] == seeds
    assert not set(genomes[len(seeds) :]) & set(seeds)
    for generations in (1, 2, 3):
        sampler, report = replay(fresh(name, first_number=3, seeds=seeds), log[:generations])
        assert report.diverged == 0
        after = log[generations]
        assert sampler.ask(len(after)) == [trial.genome for trial in after]


@every_sampler
def test_a_given_genome_that_is_none_is_refused(name: str) -> None:
    inside = tuple(gene.initial for gene in GENES)
    with pytest.raises(SamplerError, match="seed 1 has 9 genes"):
        fresh(name, seeds=[inside, inside[:9]])
    with pytest.raises(SamplerError, match=r"seed 0: maths.weight\[layers 0-0\] is 9.0"):
        fresh(name, seeds=[(9.0, *inside[1:])])


@every_sampler
def test_the_order_of_telling_does_not_matter(name: str) -> None:
    shuffler = random.Random(3)
    ordered, shuffled = fresh(name), fresh(name)
    for _ in range(8):
        first = ordered.next_number
        genomes = ordered.ask(ordered.batch)
        assert shuffled.ask(shuffled.batch) == genomes
        numbers = list(range(len(genomes)))
        for i in numbers:
            ordered.tell(first + i, genomes[i], outcome_of(first + i, genomes[i]))
        shuffler.shuffle(numbers)
        for i in numbers:
            shuffled.tell(first + i, genomes[i], outcome_of(first + i, genomes[i]))
    assert shuffled.ask(3) == ordered.ask(3)


@every_sampler
@pytest.mark.parametrize("bad", [Outcome((), 0, failed=True), Outcome((math.nan,), 5)])
def test_a_failed_trial_is_the_worst(name: str, bad: Outcome) -> None:
    """A run in which some trials fail goes as one in which they score worse than any other."""
    failing, scoring = fresh(name), fresh(name)
    for _ in range(8):
        first = failing.next_number
        genomes = failing.ask(failing.batch)
        assert scoring.ask(scoring.batch) == genomes
        for number, genome in enumerate(genomes, first):
            good = Outcome((sphere(genome),), 10)
            broken = number % 3 == 0
            failing.tell(number, genome, bad if broken else good)
            scoring.tell(number, genome, Outcome((-math.inf,), 10) if broken else good)
    assert all(math.isfinite(value) for genome in failing.ask(4) for value in genome)


@every_sampler
def test_a_censored_trial_ranks_between_the_weakest_and_the_failed(name: str) -> None:
    """Whatever its estimate: a run with censored trials goes as one in which they score just
    that, the more the higher the estimate."""
    censoring, scoring = fresh(name), fresh(name)
    for _ in range(8):
        first = censoring.next_number
        genomes = censoring.ask(censoring.batch)
        assert scoring.ask(scoring.batch) == genomes
        for number, genome in enumerate(genomes, first):
            told = Outcome((sphere(genome),), 10)
            if number % 3 == 0:
                # An estimate above everything that was scored whole.
                censored = Outcome((1000 + sphere(genome),), 4, censored=True)
                censoring.tell(number, genome, censored)
                scoring.tell(number, genome, Outcome((-1000 + sphere(genome),), 10))
                continue
            if number % 7 == 0:
                told = Outcome((), 0, failed=True)
            censoring.tell(number, genome, told)
            scoring.tell(number, genome, told)
    assert censoring.ask(4) == scoring.ask(4)


@pytest.mark.parametrize("name", ["cmaes", "tpe"])
def test_failed_trials_are_avoided(name: str) -> None:
    """Whatever has a first weight above 0.6 fails: later draws keep below."""
    sampler = fresh(name)
    for size in sizes(sampler, 240):
        first = sampler.next_number
        genomes = sampler.ask(size)
        for number, genome in enumerate(genomes, first):
            failed = genome[0] > 0.6
            outcome = Outcome((), 0, failed=True) if failed else Outcome((sphere(genome),), 10)
            sampler.tell(number, genome, outcome)
    assert sum(genome[0] > 0.6 for genome in sampler.ask(40)) < 12


@every_sampler
def test_generations_that_all_fail_are_survived(name: str) -> None:
    sampler = fresh(name)
    for _ in range(10):
        first = sampler.next_number
        for number, genome in enumerate(sampler.ask(sampler.batch), first):
            sampler.tell(number, genome, Outcome((), 0, failed=True))
    assert len(set(sampler.ask(sampler.batch))) == sampler.batch


@every_sampler
def test_a_plateau_is_survived(name: str) -> None:
    sampler = fresh(name)
    for _ in range(30):
        first = sampler.next_number
        for number, genome in enumerate(sampler.ask(sampler.batch), first):
            sampler.tell(number, genome, Outcome((0.0,), 10))
    assert len(set(sampler.ask(sampler.batch))) == sampler.batch


@every_sampler
def test_generations_of_any_size(name: str) -> None:
    sampler = fresh(name)
    for size in (1, 1, 2, 40, 3, 1, 9):
        first = sampler.next_number
        genomes = sampler.ask(size)
        assert len(genomes) == size
        for number, genome in enumerate(genomes, first):
            sampler.tell(number, genome, outcome_of(number, genome))
    assert sampler.next_number == 57


@every_sampler
def test_a_single_gene(name: str) -> None:
    sampler = make_sampler(SETTINGS[name], [Gene("a-b.t[layers 0-3]", 0.0, 1.0, 0.5)], 7)
    for _ in range(20):
        first = sampler.next_number
        for number, genome in enumerate(sampler.ask(sampler.batch), first):
            sampler.tell(number, genome, Outcome((-abs(genome[0] - 0.3),), 10))
    assert all(len(genome) == 1 for genome in sampler.ask(2))


@every_sampler
def test_use_against_the_contract_is_refused(name: str) -> None:
    sampler = fresh(name)
    with pytest.raises(SamplerError, match="at least one"):
        sampler.ask(0)
    first, second = sampler.ask(2)
    assert list(sampler.pending) == [0, 1]
    good = Outcome((0.5,), 10)
    with pytest.raises(SamplerError, match="not told yet"):
        sampler.ask(1)
    with pytest.raises(SamplerError, match="not of the open generation"):
        sampler.tell(2, first, good)
    with pytest.raises(SamplerError, match="9 genes"):
        sampler.tell(0, first[:9], good)
    with pytest.raises(SamplerError, match="out of bounds"):
        sampler.tell(0, (3.0, *first[1:]), good)
    with pytest.raises(SamplerError, match="out of bounds"):
        sampler.tell(0, (math.nan, *first[1:]), good)
    with pytest.raises(SamplerError, match="2 values"):
        sampler.tell(0, first, Outcome((0.5, 0.5), 10))
    sampler.tell(0, first, good)
    with pytest.raises(SamplerError, match="told already"):
        sampler.tell(0, first, good)
    assert list(sampler.pending) == [1]
    sampler.tell(1, second, good)
    assert not sampler.pending


@every_sampler
def test_without_genes_there_is_one_empty_genome(name: str) -> None:
    sampler = make_sampler(SETTINGS[name], [], 7)
    assert sampler.ask(1) == [()]
    sampler.tell(0, (), Outcome(values=(0.5,), n=1))
    assert not sampler.pending


@every_sampler
def test_a_resumed_run_goes_on_as_the_undisturbed_one(name: str) -> None:
    """Stopped at each of 20 random trials, before or after it is told, in a disturbed process."""
    log = run(fresh(name), 130)
    points = random.Random(5).sample(range(1, 130), 20)
    for point in points:
        disturb(point)
        told = [
            [
                LoggedTrial(trial.number, trial.genome, trial.outcome)
                if trial.number < point
                else LoggedTrial(trial.number, trial.genome)
                for trial in generation
            ]
            for generation in log
            if generation[0].number < point
        ]
        sampler, report = replay(fresh(name), told)
        assert report.diverged == 0
        for number in sampler.pending:
            trial = told[-1][number - told[-1][0].number]
            sampler.tell(number, trial.genome, outcome_of(number, trial.genome))
        rest = [trial.genome for generation in log[len(told) :] for trial in generation]
        assert [
            trial.genome
            for generation in run(sampler, 130 - sampler.next_number)
            for trial in generation
        ] == rest


def disturb(seed: int) -> None:
    np.random.seed(seed)
    random.seed(seed)


@pytest.mark.parametrize("seed", [1, 2])
def test_another_process_draws_the_same(seed: int) -> None:
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONHASHSEED": str(seed)}
    answer = subprocess.run(
        [sys.executable, "-m", "tests.search.problems", "6", str(seed)],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    others = json.loads(answer.stdout)
    for name in SETTINGS:
        assert [tuple(genome) for genome in others[name]] == next_genomes(name, 6)


@every_sampler
def test_the_process_wide_generators_are_left_alone(name: str) -> None:
    disturb(9)
    before = (random.getstate(), repr(np.random.get_state()))
    run(fresh(name), 60)
    assert (random.getstate(), repr(np.random.get_state())) == before


@every_sampler
def test_the_record_outranks_the_proposal(name: str) -> None:
    """A log whose genomes are not those proposed is learnt as it is, and counted."""
    log = run(fresh(name), 16)
    edited = [
        [
            LoggedTrial(trial.number, tuple(0.9 * x + 0.05 for x in trial.genome), trial.outcome)
            for trial in generation
        ]
        for generation in log
    ]
    first, report = replay(fresh(name), edited)
    second, _ = replay(fresh(name), edited)
    assert report.trials == report.diverged == 16
    assert first.ask(5) == second.ask(5)


def test_a_log_with_gaps_is_refused() -> None:
    log = run(fresh("random"), 14)
    with pytest.raises(SamplerError, match="lacks trials"):
        replay(fresh("random"), log[1:])
    with pytest.raises(SamplerError, match="empty"):
        replay(fresh("random"), [[]])


@pytest.mark.parametrize(("name", "share"), [("cmaes", 0.1), ("tpe", 0.8)])
def test_a_search_beats_random_draws(name: str, share: float) -> None:
    """Its best of 300 trials is nearer than random draws' best by this share, in the middle of
    several seeds: a single random run may well be lucky."""

    def best(sampler_name: str, seed: int) -> float:
        log = run(fresh(sampler_name, seed), 300)
        return max(sphere(trial.genome) for generation in log for trial in generation)

    seeds = range(7)
    searched = median(best(name, seed) for seed in seeds)
    drawn = median(best("random", seed) for seed in seeds)
    assert searched > share * drawn


def test_cmaes_finds_an_optimum_at_the_bounds() -> None:
    log = run(fresh("cmaes"), 800)
    best = max((trial.genome for generation in log for trial in generation), key=sphere)
    assert sphere(best) > -1e-3
    assert best[5:] == pytest.approx((1.0,) * 5, abs=0.02)


@pytest.mark.parametrize(("name", "limit"), [("cmaes", 10.0), ("random", 5.0), ("tpe", 30.0)])
def test_a_thousand_trials_are_cheap(name: str, limit: float) -> None:
    began = time.perf_counter()
    assert len(run(fresh(name), 1000)[-1]) > 0
    assert time.perf_counter() - began < limit


@pytest.mark.parametrize("name", SETTINGS)
def test_the_first_generations_are_those_on_record(name: str) -> None:
    """Drift between versions of libraries, or of ours, shows here. Rewrite the record on purpose:
    python -m tests.search.record_golden"""
    recorded = json.loads(GOLDEN.read_text(encoding="utf-8"))[name]
    for generation, genomes in zip(run(fresh(name), 3 * fresh(name).batch), recorded, strict=True):
        for trial, genome in zip(generation, genomes, strict=True):
            assert trial.genome == pytest.approx(genome, abs=1e-9)
