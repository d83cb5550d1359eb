"""Searches whose candidates are scored on anchors, and the best of them on everything."""

from __future__ import annotations

import math
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.client import Client
from service.database import Database
from service.evaluations import designs
from service.jobs.schemas import JobDetail
from tests.running import RunningService, finish, wait_for_end, wait_for_trials
from tests.service.test_api import read_events
from tests.trial_log import trial_log
from tests.zoo_spec import write_spec, zoo_spec

ITEMS = 40
ANCHORS = 10
CALIBRATION = 12
TRIALS = 30
# Those by hand and a generation of draws: with them there are as many as calibrate.
WHOLE = TRIALS // 4 + 6
TASK = "word_problems_ja"


def anchors_spec() -> dict[str, Any]:
    """Seven by hand and a generation of six are scored whole, three on anchors."""
    allocation = {"kind": "anchors", "n": ANCHORS, "calibration": CALIBRATION, "elite": 0.2}
    alone = {"averages": False, "grid_step": None}
    return zoo_spec(
        trials=TRIALS, name="anchors", items=ITEMS, allocation=allocation, baselines=alone
    )


@pytest.fixture(scope="module")
def job(client: Client, tmp_path_factory: pytest.TempPathFactory) -> JobDetail:
    spec = write_spec(tmp_path_factory.mktemp("spec"), anchors_spec())
    return finish(client, spec)


def test_trials_are_whole_then_estimated_and_the_elite_whole_again(
    client: Client, job: JobDetail
) -> None:
    rows = httpx.get(f"{client.address}/v1/jobs/{job.id}/trials").json()
    for row in rows[:WHOLE]:
        assert (row["state"], row["n"], row["estimate"]) == ("finished", ITEMS, None)
    later = rows[WHOLE:]
    for row in later:
        assert row["estimate_n"] == ANCHORS
        assert 0 <= row["estimate"] <= 1
        assert not row["censored"]
        if row["state"] == "estimated":
            assert (row["n"], row["fitness"]) == (ANCHORS, row["estimate"])
        else:
            assert (row["state"], row["n"]) == ("finished", ITEMS)
    # The best by what the sampler was told, as many as the fraction says.
    told = sorted(
        rows,
        key=lambda row: (
            -(row["fitness"] if row["estimate"] is None else row["estimate"]),
            row["number"],
        ),
    )
    elite = told[: math.ceil(0.2 * TRIALS)]
    assert {row["number"] for row in elite} >= {
        row["number"] for row in later if row["state"] == "finished"
    }
    assert all(row["state"] == "finished" for row in elite)
    assert job.trials_estimated == sum(row["state"] == "estimated" for row in rows)
    assert job.trials_finished == TRIALS
    finalists = {int(entry.label) for entry in client.evaluations(job.id, split="select")}
    whole = {row["number"]: row["fitness"] for row in rows if row["state"] == "finished"}
    assert finalists == set(sorted(whole, key=lambda number: (-whole[number], number))[:2])


def test_every_estimate_follows_from_the_recorded_design(
    service: RunningService, job: JobDetail
) -> None:
    database = Database(f"sqlite:///{service.data / 'cuvee.sqlite3'}")
    with database.snapshot() as session:
        found = designs.all_of(session, job.id)["weights"]
    database.close()
    assert found.generation == 2
    places = found.design.anchors[TASK].places
    assert len(places) == ANCHORS
    for trial in trial_log(service.data, job.id)[WHOLE:]:
        items = trial["items"][TASK]
        if trial["state"] == "finished":
            assert trial["fitness"] == pytest.approx(sum(items) / ITEMS)
            items = [items[at] for at in places]
        assert found.design.estimates({TASK: items})[TASK] == trial["estimate"]


def test_events_say_what_was_chosen_and_what_was_scored_again(
    client: Client, job: JobDetail
) -> None:
    rows = httpx.get(f"{client.address}/v1/jobs/{job.id}/trials").json()
    again = {row["number"] for row in rows if row["estimate_n"] and row["state"] == "finished"}
    url = f"{client.address}/v1/events"
    with httpx.stream("GET", url, params={"job": job.id, "since": 0}) as answer:
        events = read_events(answer, 3 + 1 + TRIALS + 1 + len(again))
    (chosen,) = (event[2] for event in events if event[1] == "anchors.chosen")
    assert chosen["items"] == {TASK: ANCHORS}
    for field in ("delta", "expected_error"):
        by_task = chosen[field]
        assert isinstance(by_task, dict)
        assert 0 <= by_task[TASK] <= 1
    assert {event[2]["trial"] for event in events if event[1] == "trial.rescored"} <= again


@pytest.mark.long
def test_a_killed_service_estimates_the_same(
    service: RunningService, job: JobDetail, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with RunningService(data) as other:
        with other.client() as client:
            job_id = client.submit(write_spec(tmp_path, anchors_spec())).id
        # While calibrating, and while estimating.
        for count in (9, 20):
            with other.client() as client:
                wait_for_trials(client, job_id, count)
            other.kill()
            other.start()
        with other.client() as client:
            ended = wait_for_end(client, job_id)
    assert ended.state == "finished", ended.reason
    assert ended.winner == job.winner
    assert trial_log(data, job_id) == trial_log(service.data, job.id)
    with sqlite3.connect(data / "cuvee.sqlite3") as connection:
        assert connection.execute("SELECT COUNT(*) FROM designs").fetchall() == [(1,)]
