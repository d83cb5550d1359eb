"""Searches that do not score everything: racing, and children that were scored before."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest

from search.racing import PEERS, make_race, make_rival
from service.client import Client
from service.jobs.schemas import JobDetail
from tests.running import RunningService, finish, wait_for_end, wait_for_trials
from tests.service.test_api import read_events
from tests.trial_log import trial_log
from tests.zoo_spec import write_spec, zoo_spec

ITEMS = 48
TRIALS = 36
_ALONE = {"averages": False, "grid_step": None}


def racing_spec(**more: Any) -> dict[str, Any]:
    """The elite is there after one generation of six."""
    allocation = {"kind": "racing", "first": 8, "block": 8, "elite": 3}
    return zoo_spec(
        trials=TRIALS, name="racing", items=ITEMS, allocation=allocation, baselines=_ALONE, **more
    )


def few_children(**more: Any) -> dict[str, Any]:
    """Two switches, and so four recipes for twelve random trials."""
    spec = zoo_spec(trials=12, sampler="random", name="few", baselines=_ALONE, **more)
    spec["stages"][0]["space"] |= {
        "method": "ties",
        "layer_groups": 1,
        "embeddings": False,
        "parameters": {
            "weight": 0.7,
            "density": 0.5,
            "normalize": {"choices": [True, False]},
            "int8_mask": {"choices": [True, False]},
        },
    }
    return spec


@pytest.fixture(scope="module")
def raced(client: Client, tmp_path_factory: pytest.TempPathFactory) -> JobDetail:
    spec = write_spec(tmp_path_factory.mktemp("spec"), racing_spec())
    return finish(client, spec)


def test_weak_trials_are_stopped_and_say_so(
    service: RunningService, client: Client, raced: JobDetail
) -> None:
    rows = httpx.get(f"{client.address}/v1/jobs/{raced.id}/trials").json()
    stopped = [row for row in rows if row["censored"]]
    assert stopped
    assert raced.trials_stopped == len(stopped)
    assert raced.trials_failed == 0
    assert raced.trials_finished == TRIALS
    assert raced.search_tokens == sum(row["tokens"] for row in rows)
    for row in rows:
        assert row["state"] == ("stopped" if row["censored"] else "finished")
        assert 0 <= row["fitness"] <= 1
        assert row["reason"] is None
        assert row["n"] % 8 == 0
        assert (row["n"] < ITEMS) == row["censored"]
    # Nobody is raced before there is an elite.
    assert not any(row["censored"] for row in rows if row["generation"] == 0)
    for trial in trial_log(service.data, raced.id):
        assert len(trial["items"]["word_problems_ja"]) == trial["n"]


def test_finalists_and_the_best_are_scored_whole(client: Client, raced: JobDetail) -> None:
    rows = httpx.get(f"{client.address}/v1/jobs/{raced.id}/trials").json()
    whole = {row["number"]: row["fitness"] for row in rows if not row["censored"]}
    finalists = {int(entry.label) for entry in client.evaluations(raced.id, split="select")}
    assert finalists <= whole.keys()
    assert raced.winner in finalists
    assert raced.best is not None
    assert raced.best.fitness == max(whole.values())


def test_a_stopped_trial_is_compared_on_the_same_items_alone(
    client: Client, raced: JobDetail
) -> None:
    url = f"{client.address}/v1/jobs/{raced.id}"
    rows = httpx.get(f"{url}/trials").json()
    stopped = next(row for row in rows if row["censored"])
    whole = next(row for row in rows if not row["censored"])
    pair = {"first": stopped["number"], "second": whole["number"]}
    answer = httpx.get(f"{url}/compare", params=pair)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["field"] == "first"
    assert f"scored on {stopped['n']} of {ITEMS} items" in error["message"]
    itself = {"first": stopped["number"], "second": stopped["number"]}
    answer = httpx.get(f"{url}/compare", params=itself)
    assert answer.json()["tasks"]["word_problems_ja"]["first"]["n"] == stopped["n"]


def test_every_stop_follows_from_the_recorded_blocks(
    service: RunningService, raced: JobDetail
) -> None:
    """Decided again from the log alone: item scores of the rival and of the blocks."""
    race = make_race(
        {"word_problems_ja": ITEMS},
        {"word_problems_ja": 1.0},
        first=8,
        block=8,
        error=0.05,
        seed=5,
    )
    log = trial_log(service.data, raced.id)
    for trial in log:
        earlier = [
            one
            for one in log
            if one["generation"] < trial["generation"] and one["state"] == "finished"
        ]
        best = sorted(earlier, key=lambda one: (-one["fitness"], one["number"]))[:PEERS]
        if len(best) < 3:
            assert trial["state"] == "finished"
            continue
        rival = make_rival([one["items"] for one in best], best[2]["fitness"])
        count = trial["n"] // 8
        places = sorted(at for block in race.blocks[:count] for _, at in block.items)
        at_place = dict(zip(places, trial["items"]["word_problems_ja"], strict=True))
        scored = [
            {"word_problems_ja": [at_place[at] for _, at in block.items]}
            for block in race.blocks[:count]
        ]
        looks = [race.is_lost(scored[: n + 1], rival) for n in range(min(count, 5))]
        assert looks == [False] * (len(looks) - trial["state"].count("stopped")) + [True] * (
            trial["state"] == "stopped"
        )
        if trial["state"] == "stopped":
            assert trial["fitness"] == pytest.approx(race.estimate(scored, rival))


@pytest.mark.long
def test_a_killed_service_decides_the_same(
    service: RunningService, raced: JobDetail, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with RunningService(data) as other:
        with other.client() as client:
            job_id = client.submit(write_spec(tmp_path, racing_spec())).id
        for count in (2, 9, 20):
            with other.client() as client:
                wait_for_trials(client, job_id, count)
            other.kill()
            other.start()
        with other.client() as client:
            ended = wait_for_end(client, job_id)
    assert ended.state == "finished", ended.reason
    assert ended.winner == raced.winner
    assert trial_log(data, job_id) == trial_log(service.data, raced.id)
    with sqlite3.connect(data / "cuvee.sqlite3") as connection:
        blocks = connection.execute("SELECT trial, COUNT(*), MAX(number) FROM blocks GROUP BY 1")
        log = trial_log(data, job_id)
        for trial, count, last in blocks.fetchall():
            assert last == count - 1
            assert log[trial]["n"] == 8 * count


@pytest.mark.parametrize("allocation", ["full", "racing"])
def test_a_child_that_was_scored_before_is_not_scored_again(
    service: RunningService, client: Client, tmp_path: Path, allocation: str
) -> None:
    settings = (
        {"kind": "full"} if allocation == "full" else {"kind": "racing", "first": 8, "block": 8}
    )
    spec = write_spec(tmp_path, few_children(allocation=settings))
    job = finish(client, spec)
    log = trial_log(service.data, job.id)
    assert len({trial["digest"] for trial in log}) <= 4
    first: dict[str, dict[str, Any]] = {}
    for trial in log:
        original = first.setdefault(trial["digest"], trial)
        if original is trial:
            assert trial["same_as"] is None
            assert trial["tokens"] > 0
            continue
        assert trial["same_as"] == original["number"]
        assert trial["tokens"] == 0
        assert trial["state"] == original["state"]
        assert trial["items"] == original["items"]
        assert trial["fitness"] == original["fitness"]
    url = f"{client.address}/v1/events"
    with httpx.stream("GET", url, params={"job": job.id, "since": 0}) as answer:
        events = read_events(answer, 27)
    told = {e[2]["trial"]: e[2]["same_as"] for e in events if e[1] == "trial.finished"}
    assert told == {trial["number"]: trial["same_as"] for trial in log}
