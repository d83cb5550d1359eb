"""Ten thousand trials: the last cost no more than the first, and take no more memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from functools import partial

import pytest

from search.replay import LoggedTrial, replay
from search.samplers import Sampler
from tests.search.problems import fresh, outcome_of

TRIALS, PART = 10_000, 1000
FLAT = ["cmaes", "cmaes-separable", "optuna-cmaes", "random"]


@pytest.mark.long
@pytest.mark.parametrize("name", FLAT)
def test_the_cost_of_a_trial_stays_flat(name: str) -> None:
    """Asked and told, and again under replay, with an evaluator that takes no time: a quick
    generation of the last 1000 trials beside one of the first."""
    sampler, restored = fresh(name), fresh(name)
    log: list[list[LoggedTrial]] = []

    def live() -> None:
        log.extend(generations(sampler, 1))

    def restore(generation: list[LoggedTrial]) -> None:
        assert replay(restored, [generation])[1].diverged == 0

    part = PART // sampler.batch
    lived = [spent(live) for _ in range(TRIALS // sampler.batch)]
    assert quick(lived[-part:]) < 1.5 * quick(lived[:part])
    replayed = [spent(partial(restore, generation)) for generation in log]
    assert quick(replayed[-part:]) < 1.5 * quick(replayed[:part])
    assert restored.ask(3) == sampler.ask(3)


@pytest.mark.long
@pytest.mark.parametrize("name", FLAT)
def test_the_memory_of_a_sampler_stays_flat(name: str) -> None:
    sampler = fresh(name)
    generations(sampler, PART)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(TRIALS // PART - 1):
            generations(sampler, PART)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 1_000_000


def generations(sampler: Sampler, trials: int) -> list[list[LoggedTrial]]:
    """The log of at least so many further trials."""
    log = []
    end = sampler.next_number + trials
    while (first := sampler.next_number) < end:
        genomes = enumerate(sampler.ask(sampler.batch), first)
        log.append([LoggedTrial(number, one, outcome_of(number, one)) for number, one in genomes])
        for trial in log[-1]:
            assert trial.outcome is not None
            sampler.tell(trial.number, trial.genome, trial.outcome)
    return log


def spent(work: Callable[[], object]) -> float:
    """Seconds of processor time."""
    began = time.process_time()
    work()
    return time.process_time() - began


def quick(seconds: list[float]) -> float:
    """The lowest decile: what grows with the trials shows in every generation, and what others do
    on the machine only in some."""
    return sorted(seconds)[len(seconds) // 10]
