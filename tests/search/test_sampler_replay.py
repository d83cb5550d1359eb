"""A run that is replayed from its log goes on as it would have, here and in other processes."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from search.errors import SamplerError
from search.replay import LoggedTrial, replay
from tests.search.problems import (
    FEW,
    SETTINGS,
    at_most,
    every_sampler,
    fresh,
    next_genomes,
    outcome_of,
    run,
)
from tests.search.record_golden import recorded

# Other processors round sums otherwise.
NEAR = 1e-6


@pytest.mark.parametrize(
    ("name", "trials", "stops"),
    [
        *[(name, 130, 20) for name in SETTINGS if name not in FEW],
        ("gp", 7, 3),
        pytest.param("gp", 30, 20, marks=pytest.mark.long),
    ],
)
def test_a_resumed_run_goes_on_as_the_undisturbed_one(name: str, trials: int, stops: int) -> None:
    """Stopped at each of several random trials, before or after it is told, in a disturbed
    process."""
    log = run(fresh(name), trials)
    points = random.Random(5).sample(range(1, trials), stops)
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
            for generation in run(sampler, trials - sampler.next_number)
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
        [sys.executable, "-m", "tests.search.problems", "3", str(seed)],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    others = json.loads(answer.stdout)
    for name in SETTINGS:
        assert [tuple(genome) for genome in others[name]] == next_genomes(name, 3)


@every_sampler
def test_the_process_wide_generators_are_left_alone(name: str) -> None:
    disturb(9)
    before = (random.getstate(), repr(np.random.get_state()))
    run(fresh(name), at_most(name, 60))
    assert (random.getstate(), repr(np.random.get_state())) == before


@every_sampler
def test_the_record_outranks_the_proposal(name: str) -> None:
    """A log whose genomes are not those proposed is learnt as it is, and counted."""
    trials = at_most(name, 16)
    log = run(fresh(name), trials)
    edited = [
        [
            LoggedTrial(trial.number, tuple(0.9 * x + 0.05 for x in trial.genome), trial.outcome)
            for trial in generation
        ]
        for generation in log
    ]
    first, report = replay(fresh(name), edited)
    second, _ = replay(fresh(name), edited)
    assert report.trials == trials
    # Again, some children are their parents.
    assert report.diverged >= (0.5 if "nsga" in name else 1.0) * trials
    assert first.ask(2) == second.ask(2)


def test_a_log_with_gaps_is_refused() -> None:
    log = run(fresh("random"), 14)
    with pytest.raises(SamplerError, match="lacks trials"):
        replay(fresh("random"), log[1:])
    with pytest.raises(SamplerError, match="empty"):
        replay(fresh("random"), [[]])


@every_sampler
def test_a_recorded_log_gives_the_genomes_on_record(name: str) -> None:
    """Drift between versions of libraries, or of ours, shows here. Rewrite the record on purpose:
    python -m tests.search.record_golden"""
    log, following = recorded(name)
    drawn = run(fresh(name), sum(map(len, log)))
    for generation, expected in zip(drawn, log, strict=True):
        for trial, old in zip(generation, expected, strict=True):
            assert trial.genome == pytest.approx(old.genome, abs=NEAR)
    sampler, report = replay(fresh(name), log)
    assert report.trials == sum(map(len, log))
    for genome, old_genome in zip(sampler.ask(sampler.batch), following, strict=True):
        assert genome == pytest.approx(old_genome, abs=NEAR)
