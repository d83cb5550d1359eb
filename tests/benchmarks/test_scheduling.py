"""Few small populations keep many workers busy, in simulated time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.scheduling import Load, Times, simulate
from search.item_blocks import automatic_size


@pytest.mark.parametrize("seed", [1, 20, 300])
def test_four_small_populations_keep_512_workers_busy(seed: int) -> None:
    """Four jobs of 16 candidates and 1000 items, log-normal times: in blocks of 16 items at least
    95 % of the workers' time is used, and a tenth of that with whole candidates."""
    found = simulate(Load(block=16), Times(), workers=512, seed=seed)
    assert found.busy >= 0.95
    whole = simulate(Load(block=0), Times(), workers=512, seed=seed)
    assert whole.busy < 0.15
    assert found.seconds < whole.seconds / 5


def test_steady_state_keeps_workers_busy_with_whole_candidates() -> None:
    """Nobody waits for the slowest of a generation, where candidates are more than workers."""
    load = Load(population=16, generations=60, items=20, block=0)
    by_generations = simulate(load, Times(), workers=64, seed=1)
    steady = simulate(replace(load, steady=True), Times(), workers=64, seed=1)
    assert steady.busy > 0.95 > 2 * by_generations.busy
    assert steady.seconds < by_generations.seconds


@pytest.mark.parametrize(
    ("workers", "jobs", "population", "items"),
    [(20, 1, 16, 1000), (64, 1, 16, 250), (128, 1, 8, 250), (256, 2, 30, 500)],
)
def test_the_automatic_size_is_about_the_best(
    workers: int, jobs: int, population: int, items: int
) -> None:
    """Within 15 % of the time that the best of several sizes takes, whole candidates among them."""

    def seconds(block: int) -> float:
        load = Load(jobs, population, 4, items, block)
        return sum(simulate(load, Times(), workers=workers, seed=seed).seconds for seed in (1, 2))

    block = automatic_size(population, items, workers)
    assert block is not None
    assert seconds(block) < 1.15 * min(map(seconds, (0, 8, 16, 32, 64)))


@given(st.integers(1, 200), st.integers(1, 5000), st.integers(0, 2000))
def test_an_automatic_size_cuts_only_what_feeds_more_workers(
    population: int, items: int, workers: int
) -> None:
    block = automatic_size(population, items, workers)
    if workers <= population:
        assert block is None
    if block is not None:
        assert 12 <= block < items
        assert population * -(-items // block) >= min(8 * workers, population * (items // 12))


def test_no_work_is_lost_or_done_twice() -> None:
    """One worker does all that there is, and nothing else: its time is the sum of all times."""
    load, still = Load(jobs=2, population=3, generations=2, items=10, block=4), Times(1.0, 2.0)
    steady = Times(1.0, 2.0, build_spread=0.0, item_spread=0.0, trial_spread=0.0)
    found = simulate(load, steady, workers=1)
    scoring = 2 * 3 * 2 * 10 * 2.0
    builds = found.seconds - scoring
    # Jobs take turns: a worker seldom holds the child that it is given.
    assert 2 * 3 * 2 <= builds <= 2 * 3 * 2 * 3
    assert simulate(load, steady, workers=1, seed=9) == found
    assert simulate(load, still, workers=7, seed=9) == simulate(load, still, workers=7, seed=9)


def test_a_worker_keeps_the_child_that_it_holds() -> None:
    """A job alone is scored child by child: each is built once by its one worker."""
    steady = Times(1.0, 2.0, build_spread=0.0, item_spread=0.0, trial_spread=0.0)
    load = Load(jobs=1, population=3, generations=2, items=10, block=4)
    assert simulate(load, steady, workers=1).seconds == 3 * 2 * (1.0 + 10 * 2.0)
