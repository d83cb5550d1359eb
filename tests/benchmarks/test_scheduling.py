"""Few small populations keep many workers busy, in simulated time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.scheduling import Load, Times, simulate


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
