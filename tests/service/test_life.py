"""A job's life: the same log whenever it is interrupted, and ends that follow from the log."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from search.samplers import STEADY
from service.controller.needs import Need, Task
from service.evaluations import blocks
from service.jobs import repository as jobs
from service.trials import repository as trials
from tests.instant_scores import ITEMS
from tests.service.conftest import Spec
from tests.service.instant import LAYERS, Bench, answer
from workers.work import Context, Result


@pytest.mark.parametrize(
    "allocation",
    [{"kind": "full"}, {"kind": "full", "block": 15}, {"kind": "racing", "block": 8}],
)
def test_a_life_interrupted_anywhere_has_the_log_of_an_undisturbed_one(
    bench: Bench,
    spec: Spec,
    allocation: dict[str, Any],
) -> None:
    spec["allocation"] = allocation
    spec["stages"].append(LAYERS | {"budget": {"items": 7 * ITEMS}})
    whole, cut = bench.submit(spec), bench.submit(spec)
    total = bench.live(whole)
    bench.live_in_pieces(cut, 5)
    log = bench.log(whole)
    assert bench.log(cut) == log
    assert {trial["stage"] for trial in log} == {"weights", "layers"}
    assert total > len(log)


def test_blocks_ended_in_any_order_have_the_log_of_trials_scored_at_once(
    bench: Bench,
    spec: Spec,
) -> None:
    """Several workers score one trial; a child's size comes with each block."""
    spec["objectives"] = {"kind": "pareto", "over": ["word_problems_ja", "size"]}
    spec["stages"][0]["sampler"] = {"kind": "nsga2", "population": 4}
    in_blocks = spec | {"allocation": {"kind": "full", "block": 7}}
    whole, cut, wide = bench.submit(spec), bench.submit(in_blocks), bench.submit(in_blocks)
    bench.live(whole)
    bench.live_in_pieces(cut, 5, workers=9)
    bench.live(wide, workers=100)
    assert bench.log(whole) == bench.log(cut) == bench.log(wide)
    with bench.database.snapshot() as session:
        scored = blocks.all_of(session, wide)
    assert {tuple(found) for found in scored.values()} == {tuple(range(6))}


@pytest.mark.parametrize("kind", STEADY)
@pytest.mark.parametrize("allocation", [{"kind": "full", "block": 15}, {"kind": "racing"}])
def test_a_steady_stage_goes_on_where_it_stopped(
    bench: Bench, spec: Spec, kind: str, allocation: dict[str, Any]
) -> None:
    """Every draw knew of the outcomes told before it and of no other, however often the service was
    killed in between: a fresh sampler led along the log draws the same genomes."""
    more = {"startup": 6} if kind == "tpe" else {}
    spec["stages"][0] |= {"mode": "steady", "sampler": {"kind": kind} | more}
    spec["stages"][0]["budget"] = {"trials": 30}
    spec["allocation"] = allocation
    job_id = bench.submit(spec)
    bench.live_in_pieces(job_id, 11, workers=5)
    assert bench.get(f"jobs/{job_id}")["state"] == "finished"
    assert bench.events(job_id, "replay.diverged") == []
    with bench.database.snapshot() as session:
        log = trials.all_of(session, job_id)
    assert [trial.number for trial in log] == list(range(30))
    assert sorted(trial.told for trial in log if trial.told is not None) == list(range(30))
    behind = [trial.number - trial.asked_after for trial in log if trial.asked_after is not None]
    assert len(behind) == 30
    assert 1 < max(behind) <= 4
    # Some were asked for before an earlier one had ended.
    assert any(
        later.told < earlier.told
        for earlier, later in pairwise(log)
        if earlier.told is not None and later.told is not None
    )
    assert bench.api.post(f"/v1/jobs/{job_id}/extend", json={"trials": 10}).status_code == 202
    bench.live_in_pieces(job_id, 11, workers=5)
    assert bench.events(job_id, "replay.diverged") == []
    assert len(bench.log(job_id)) == 40


def test_a_steady_stage_takes_a_sampler_that_can_do_without_generations(
    bench: Bench, spec: Spec
) -> None:
    spec["stages"][0]["mode"] = "steady"
    refused = bench.api.post("/v1/jobs", json=spec)
    (error,) = refused.json()["errors"]
    assert error["field"] == "stages.0.mode"
    assert "'cmaes' needs generations; steady are random, qmc, tpe" in error["message"]
    del spec["stages"][0]["sampler"]
    spec["stages"][0]["budget"] = {"trials": 500}
    job_id = bench.submit(spec)
    with bench.database.snapshot() as session:
        assert jobs.get(session, job_id).spec["stages"][0]["sampler"]["kind"] == "nsga2"


def test_a_trial_with_a_failed_block_is_scored_no_further(bench: Bench, spec: Spec) -> None:
    """Blocks that wait are dropped, and those on their way are no longer of use."""
    spec["allocation"] = {"kind": "full", "block": 4}
    spec["stages"][0]["seeds"] = "none"
    job_id = bench.submit(spec)
    asked: Counter[str] = Counter()

    def failing(task: Task, context: Context) -> Result:
        result = answer(task, context)
        if isinstance(task, Need) and task.block is not None:
            asked[task.subject.label] += 1
            if task.block.number == 2 and int(task.subject.label) % 3 == 0:
                return replace(result, scores={}, reason="the child holds NaN")
        return result

    bench.live_in_pieces(job_id, 7, workers=3, answer=failing)
    states = {trial["number"]: trial["state"] for trial in bench.log(job_id)}
    assert states == {at: "finished" if at % 3 else "failed" for at in range(8)}
    assert all(count < 10 for label, count in asked.items() if int(label) % 3 == 0)


def test_time_ends_a_stage_by_what_is_recorded(
    bench: Bench,
    spec: Spec,
) -> None:
    spec["stages"][0]["budget"] = {"seconds": 0.2, "trials": 1000}
    spec["stages"].append(LAYERS | {"budget": {"trials": 4, "patience": 100}})
    job_id = bench.submit(spec)
    # Resumed after every answer: what ended a stage once ends it again.
    bench.live_in_pieces(job_id, 1)
    job = bench.get(f"jobs/{job_id}")
    timed, counted = job["stages"]
    assert timed["ended_by"] == "seconds"
    assert timed["trials"] == timed["total"] < 1000
    assert (counted["ended_by"], counted["trials"]) == ("trials", 4)
    assert job["trials_total"] == timed["trials"] + 4
    ends = [stage for stage in job["stages"] if stage["ended_by"]]
    assert len(ends) == 2


def test_a_stage_without_a_scored_child_cannot_be_built_on(bench: Bench, spec: Spec) -> None:
    layers = LAYERS | {"budget": {"trials": 2}}
    layers["space"] = LAYERS["space"] | {"parents": ["weights.8"]}  # type: ignore[operator]
    spec["stages"][0]["space"]["parameters"] = {"weight": 0.5}
    spec["stages"][0]["budget"] = {"trials": 8}
    spec["stages"][0]["space"] |= {"method": "ties", "layer_groups": 1}
    spec["stages"][0]["sampler"] = {"kind": "random"}
    spec["stages"][0]["space"]["parameters"] = {
        "weight": 1.0,
        "density": 0.5,
        "normalize": {"choices": [True, False]},
    }
    spec["stages"].append(layers)
    job_id = bench.submit(spec)
    with pytest.raises(Exception, match=r"stage 'weights' has . different scored children"):
        bench.live(job_id)


def test_an_extended_job_goes_on_and_looks_at_its_holdout_again(
    bench: Bench,
    spec: Spec,
) -> None:
    spec["stages"][0] |= {"budget": {"trials": 10}, "seeds": "none"}
    short, long = (
        bench.submit(spec),
        bench.submit(spec | {"stages": [spec["stages"][0] | {"budget": {"trials": 18}}]}),
    )
    bench.live(short)
    bench.live(long)
    first = bench.get(f"jobs/{short}/result")
    extended = bench.api.post(f"/v1/jobs/{short}/extend", json={"trials": 8})
    assert extended.status_code == 202, extended.text
    assert (extended.json()["state"], extended.json()["winner"]) == ("queued", None)
    assert extended.json()["trials_total"] == 18
    bench.live_in_pieces(short, 3)
    # Ten trials leave a generation of four half full: CMA-ES learns from what is there.
    log = bench.log(short)
    assert len(log) == 18
    assert log[:10] == bench.log(long)[:10]
    job = bench.get(f"jobs/{short}")
    assert (job["state"], job["stages"][0]["ended_by"]) == ("finished", "trials")
    result = bench.get(f"jobs/{short}/result")
    assert [(use["round"], use["earlier"]) for use in result["uses"]] == [(1, 2), (0, 0)]
    assert "looked at 2 times before" in result["warnings"][0]
    ledger = bench.get("holdouts")
    assert [use["job_id"] for use in ledger] == [short, long, short]
    assert {use["items_digest"] for use in ledger} == {first["uses"][0]["items_digest"]}
    assert first["warnings"] == []


def test_a_plateau_is_waited_for_anew_after_an_extension(
    bench: Bench,
    spec: Spec,
) -> None:
    spec["stages"][0]["budget"] = {"trials": 500, "patience": 12, "min_improvement": 1.0}
    job_id = bench.submit(spec)
    bench.live(job_id)
    before = bench.get(f"jobs/{job_id}")["stages"][0]
    assert before["ended_by"] == "patience"
    assert bench.api.post(f"/v1/jobs/{job_id}/extend", json={"trials": 100}).status_code == 202
    bench.live(job_id)
    after = bench.get(f"jobs/{job_id}")["stages"][0]
    assert after["ended_by"] == "patience"
    assert after["trials"] == before["trials"] + 12


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"tokens": 5}, "has no limit on tokens"),
        ({"items": 5}, "ended by its limit on trials: raise that one"),
        ({"trials": 999_999}, "less than or equal to 1000000"),
        ({}, "give more of something"),
        ({"trials": 0}, "greater than or equal to 1"),
    ],
)
def test_an_extension_that_would_change_nothing_is_refused(
    bench: Bench,
    spec: Spec,
    more: dict[str, Any],
    message: str,
) -> None:
    spec["stages"][0]["budget"] = {"trials": 4, "items": 10**6}
    job_id = bench.submit(spec)
    assert bench.api.post(f"/v1/jobs/{job_id}/extend", json={"trials": 1}).status_code == 409
    bench.live(job_id)
    answer = bench.api.post(f"/v1/jobs/{job_id}/extend", json=more)
    assert answer.status_code == 422
    assert message in answer.text
    assert bench.get(f"jobs/{job_id}")["state"] == "finished"
