"""What every sampler promises (`search.samplers.base.Sampler`), held to by each of them."""

from __future__ import annotations

import math
import random

import pytest

from search.errors import SamplerError
from search.gene import Gene, Genome
from search.replay import LoggedTrial, replay
from search.samplers import SINGLE, Outcome, Sampler, make_sampler
from tests.search.problems import (
    FEW,
    GENES,
    LEARNING,
    MIXED,
    SETTINGS,
    at_most,
    every_sampler,
    fresh,
    mixed,
    outcome_of,
    run,
    sizes,
    sphere,
)

SHARES = (0.1, 0.3, 0.5, 0.6, 0.75, 0.8, 0.9, 1.0, 0.0)


@every_sampler
def test_genomes_lie_within_bounds_and_differ(name: str) -> None:
    log = run(fresh(name), at_most(name, 200))
    genomes = [trial.genome for generation in log for trial in generation]
    # Some children of a genetic algorithm are their parents again, which costs no evaluation.
    distinct = 0.5 if "nsga" in name else 1.0
    assert len(set(genomes)) >= distinct * at_most(name, 200)
    for genome in genomes:
        assert all(
            gene.low <= value <= gene.high for gene, value in zip(GENES, genome, strict=True)
        )


@every_sampler
def test_numbers_are_consecutive_from_the_first(name: str) -> None:
    trials = at_most(name, 33)
    log = run(fresh(name, first_number=40), trials)
    numbers = [trial.number for generation in log for trial in generation]
    assert numbers == list(range(40, 40 + trials))
    other = run(fresh(name), 7)
    assert log[0][0].genome != other[0][0].genome


@every_sampler
def test_another_seed_gives_another_run(name: str) -> None:
    assert fresh(name, seed=1).ask(3) != fresh(name, seed=2).ask(3)


@every_sampler
def test_given_genomes_come_first(name: str) -> None:
    """The draws that follow are those of their numbers, and a resumed run goes on alike."""
    seeds = [tuple(gene.low + share * (gene.high - gene.low) for gene in GENES) for share in SHARES]
    log = run(fresh(name, first_number=3, seeds=seeds), at_most(name, 60) + 9)
    genomes = [trial.genome for generation in log for trial in generation]
    assert genomes[: len(seeds)] == seeds
    assert set(genomes[len(seeds) :]) - set(seeds)
    for generations in (1, 3):
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
    for _ in range(at_most(name, 32) // 4):
        first = ordered.next_number
        genomes = ordered.ask(ordered.batch)
        assert shuffled.ask(shuffled.batch) == genomes
        numbers = list(range(len(genomes)))
        for i in numbers:
            ordered.tell(first + i, genomes[i], outcome_of(first + i, genomes[i]))
        shuffler.shuffle(numbers)
        for i in numbers:
            shuffled.tell(first + i, genomes[i], outcome_of(first + i, genomes[i]))
    assert shuffled.ask(2) == ordered.ask(2)


@every_sampler
@pytest.mark.parametrize("bad", [Outcome((), 0, failed=True), Outcome((math.nan,), 5)])
def test_a_failed_trial_is_the_worst(name: str, bad: Outcome) -> None:
    """A run in which some trials fail goes as one in which they score worse than any other."""
    failing, scoring = fresh(name), fresh(name)
    for _ in range(at_most(name, 32) // 4):
        first = failing.next_number
        genomes = failing.ask(failing.batch)
        assert scoring.ask(scoring.batch) == genomes
        for number, genome in enumerate(genomes, first):
            good = Outcome((sphere(genome),), 10)
            broken = number % 3 == 0
            failing.tell(number, genome, bad if broken else good)
            scoring.tell(number, genome, Outcome((-math.inf,), 10) if broken else good)
    assert all(math.isfinite(value) for genome in failing.ask(1) for value in genome)


@every_sampler
def test_a_censored_trial_ranks_between_the_weakest_and_the_failed(name: str) -> None:
    """Whatever its estimate: a run with censored trials goes as one in which they score just
    that, the more the higher the estimate."""
    censoring, scoring = fresh(name), fresh(name)
    for _ in range(at_most(name, 32) // 4):
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
    assert censoring.ask(2) == scoring.ask(2)


@pytest.mark.parametrize("name", LEARNING)
@pytest.mark.parametrize(
    "weak", [Outcome((), 0, failed=True), Outcome((9.0,), 10, constraints=(-1.0, 0.3))]
)
def test_failed_and_infeasible_trials_are_avoided(name: str, weak: Outcome) -> None:
    """Whatever has a first weight above 0.6 fails, or misses a constraint with a fine value: later
    draws keep below."""
    sampler = make_sampler(SETTINGS[name], GENES[:3], 7)
    good = (-1.0, -0.3) if weak.constraints else ()
    for size in sizes(sampler, 240):
        first = sampler.next_number
        for number, genome in enumerate(sampler.ask(size), first):
            told = Outcome((-(genome[1] ** 2) - genome[2] ** 2,), 10, constraints=good)
            sampler.tell(number, genome, weak if genome[0] > 0.6 else told)
    assert sum(genome[0] > 0.6 for genome in sampler.ask(40)) <= 12


@every_sampler
def test_levels_are_drawn_by_meaning(name: str) -> None:
    """Several levels turn up of each gene; who knows of levels draws their middles."""
    trials = 12 if name in FEW else 120
    log = run(make_sampler(SETTINGS[name], MIXED, 7), trials, mixed)
    genomes = [trial.genome for generation in log for trial in generation]
    for place, gene in enumerate(MIXED):
        values = [genome[place] for genome in genomes]
        assert all(gene.low <= value <= gene.high for value in values)
        if gene.edges:
            levels = {gene.level(value) for value in values}
            assert len(levels) >= 2
            if SETTINGS[name].kind in ("random", "qmc", "tpe", "nsga2", "nsga3"):
                assert levels == set(range(len(gene.edges) + 1))
    sampler, report = replay(make_sampler(SETTINGS[name], MIXED, 7), log)
    assert report.diverged == 0
    for genome in sampler.ask(1):
        for value, gene in zip(genome, MIXED, strict=True):
            if name in ("tpe", "gp", "nsga2", "nsga3", "optuna-cmaes") and gene.edges:
                assert value == gene.middle(gene.level(value))


@pytest.mark.parametrize("name", LEARNING)
def test_levels_are_found(name: str) -> None:
    """The best of 300 trials has the right ones for most seeds."""
    found = 0
    for seed in range(3):
        log = run(make_sampler(SETTINGS[name], MIXED, seed), 300, mixed)
        found += max(mixed(one.genome) for generation in log for one in generation) > -0.15
    assert found >= 2


@pytest.mark.parametrize("name", SETTINGS)
def test_several_objectives(name: str) -> None:
    """Two that pull apart, one constraint, failures: taken, learnt and resumed, or refused."""
    if SETTINGS[name].kind in SINGLE:
        with pytest.raises(SamplerError, match="takes one objective, not 2"):
            make_sampler(SETTINGS[name], GENES, 7, objectives=2)
        return

    def make() -> Sampler:
        return make_sampler(SETTINGS[name], MIXED, 7, objectives=2)

    sampler, log = make(), []
    for size in sizes(sampler, at_most(name, 80)):
        first = sampler.next_number
        log.append(
            [
                LoggedTrial(number, genome, two_objectives(number, genome))
                for number, genome in enumerate(sampler.ask(size), first)
            ]
        )
        for trial in log[-1]:
            assert trial.outcome is not None
            sampler.tell(trial.number, trial.genome, trial.outcome)
    assert replay(make(), log)[1].diverged == 0
    first = sampler.next_number
    genome, *_ = sampler.ask(1)
    with pytest.raises(SamplerError, match="1 values; this sampler takes 2"):
        sampler.tell(first, genome, Outcome((0.5,), 10))


@pytest.mark.parametrize("name", ["tpe", "nsga2", "nsga3"])
def test_a_front_is_found(name: str) -> None:
    """More hypervolume than by as many uniform draws, over the corner (0, -1)."""

    def volume(sampler_name: str) -> float:
        sampler = make_sampler(SETTINGS[sampler_name], MIXED, 5, objectives=2)
        points = []
        for size in sizes(sampler, 240):
            first = sampler.next_number
            for number, genome in enumerate(sampler.ask(size), first):
                outcome = two_objectives(number, genome)
                if not outcome.failed and outcome.constraints[0] <= 0:
                    points.append(outcome.values)
                sampler.tell(number, genome, outcome)
        return hypervolume(points)

    assert volume(name) > volume("random")


def hypervolume(points: list[tuple[float, ...]]) -> float:
    """The area that points dominate above the corner (-2, -2)."""
    area, reached = 0.0, -2.0
    for x, y in sorted(points, reverse=True):
        if y > reached:
            area += max(0.0, x + 2) * (y - reached)
            reached = y
    return area


def two_objectives(number: int, genome: Genome) -> Outcome:
    """Nearness to `mixed`'s best, and a small weight; the density has to be 0.3 or more."""
    if number % 11 == 10:
        return Outcome((), 0, failed=True)
    values = (mixed(genome), -abs(genome[0]))
    return Outcome(values, 10, censored=number % 7 == 6, constraints=(0.3 - genome[4],))


@every_sampler
def test_generations_that_all_fail_are_survived(name: str) -> None:
    sampler = fresh(name)
    for _ in range(at_most(name, 40) // 4):
        first = sampler.next_number
        for number, genome in enumerate(sampler.ask(sampler.batch), first):
            sampler.tell(number, genome, Outcome((), 0, failed=True))
    assert len(set(sampler.ask(sampler.batch))) == sampler.batch


@every_sampler
def test_a_plateau_is_survived(name: str) -> None:
    sampler = fresh(name)
    for _ in range(at_most(name, 120) // 4):
        first = sampler.next_number
        for number, genome in enumerate(sampler.ask(sampler.batch), first):
            sampler.tell(number, genome, Outcome((0.0,), 10))
    assert len(set(sampler.ask(sampler.batch))) == sampler.batch


@every_sampler
def test_generations_of_any_size(name: str) -> None:
    sampler = fresh(name)
    asked = (1, 1, 2, 3) if name in FEW else (1, 1, 2, 40, 3, 1, 9)
    for size in asked:
        first = sampler.next_number
        genomes = sampler.ask(size)
        assert len(genomes) == size
        for number, genome in enumerate(genomes, first):
            sampler.tell(number, genome, outcome_of(number, genome))
    assert sampler.next_number == sum(asked)


@every_sampler
def test_a_single_gene(name: str) -> None:
    sampler = make_sampler(SETTINGS[name], [Gene("a-b.t[layers 0-3]", 0.0, 1.0, 0.5)], 7)
    for _ in range(at_most(name, 80) // 4):
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
