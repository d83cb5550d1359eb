"""A job that is taken up again goes by its record, and says where the sampler would not."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from service.events import repository as events
from service.tables import Trial
from service.trials import repository as trials
from tests.instant import InstantJob
from tests.zoo_spec import zoo_spec

ALONE = {"averages": False, "grid_step": None}


def diverged(job: InstantJob) -> list[dict[str, Any]]:
    with job.database.snapshot() as session:
        told = events.after(session, 0, job.id, limit=10_000)
        return [event.data for event in told if event.kind == "replay.diverged"]


def genomes(job: InstantJob) -> list[list[float]]:
    with job.database.snapshot() as session:
        return [trial.genome for trial in trials.all_of(session, job.id)]


def test_an_undisturbed_job_says_nothing(tmp_path: Path) -> None:
    whole, halved = (
        InstantJob(folder, zoo_spec(trials=30, baselines=ALONE))
        for folder in (tmp_path / "whole", tmp_path / "halved")
    )
    whole.run()
    halved.run(until=14)
    halved.run()
    assert genomes(halved) == genomes(whole)
    assert diverged(whole) == diverged(halved) == []


def test_where_the_sampler_would_draw_others_the_record_wins_and_the_job_says_so(
    tmp_path: Path,
) -> None:
    """As after an upgrade: what is on record is not what this version draws."""
    job = InstantJob(tmp_path, zoo_spec(trials=30, baselines=ALONE))
    job.run(until=14)
    with job.database.transaction() as session:
        old = session.get_one(Trial, (job.id, 2))
        old.genome = [0.25] * len(old.genome)
    job.run()
    (told,) = diverged(job)
    assert told["stage"] == "weights"
    # The trial itself; and what follows, since the sampler learnt another genome than it drew.
    assert 1 <= told["diverged"] < told["trials"]
    found = genomes(job)
    assert found[2] == [0.25] * len(found[2])
    assert len(found) == 30


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_controller_spends_the_same_on_every_trial(tmp_path: Path) -> None:
    """10,000 trials of an evaluator that takes no time: the last 1000 cost no more than 1.5 times
    the first, in processor time."""
    job = InstantJob(tmp_path, zoo_spec(trials=10_000, baselines=ALONE))
    costs = []
    for part in (1000, 9000, None):
        began = time.process_time()
        job.run(until=part)
        costs.append(time.process_time() - began)
    began = time.process_time()
    job.run()
    replaying = time.process_time() - began
    assert costs[2] < 1.5 * costs[0] + replaying
