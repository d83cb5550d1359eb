"""A job's life: the same log whenever it is interrupted, and ends that follow from the log."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from search.samplers import STEADY
from service.controller.needs import Need, Task
from service.database import Database
from service.evaluations import blocks
from service.events import repository as events
from service.jobs import repository as jobs
from service.settings import Settings
from service.trials import repository as trials
from tests.instant_scores import ITEMS
from tests.service.conftest import Spec
from tests.service.instant import answer, live
from tests.trial_log import trial_log
from workers.work import Context, Result

_LAYERS = {
    "name": "layers",
    "space": {"kind": "dataflow", "parents": ["weights.best", "left"], "scales": False},
    "sampler": {"kind": "random", "batch": 3},
}


@dataclass(frozen=True)
class Bench:
    """A service without workers, and its jobs lived in this process."""

    api: TestClient
    database: Database
    settings: Settings

    def submit(self, spec: Spec) -> str:
        answer = self.api.post("/v1/jobs", json=spec)
        assert answer.status_code == 201, answer.text
        job_id: str = answer.json()["id"]
        return job_id

    def live(self, job_id: str, answers: int | None = None, **more: Any) -> int:
        return live(self.database, self.settings, job_id, answers=answers, **more)

    def live_in_pieces(self, job_id: str, answers: int, **more: Any) -> None:
        """Begin a new life after so many answers, again and again."""
        while self.live(job_id, answers, **more) == answers:
            continue

    def log(self, job_id: str) -> list[dict[str, Any]]:
        return trial_log(self.settings.data_dir, job_id)

    def events(self, job_id: str, kind: str) -> list[dict[str, Any]]:
        with self.database.snapshot() as session:
            return events.data_of(session, job_id, kind)

    def get(self, path: str, **query: Any) -> Any:
        answer = self.api.get(f"/v1/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def bench(app: FastAPI, api: TestClient, settings: Settings) -> Bench:
    return Bench(api, app.state.database, settings)


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
    spec["stages"].append(_LAYERS | {"budget": {"items": 7 * ITEMS}})
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
    spec["stages"].append(_LAYERS | {"budget": {"trials": 4, "patience": 100}})
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
    layers = _LAYERS | {"budget": {"trials": 2}}
    layers["space"] = _LAYERS["space"] | {"parents": ["weights.8"]}  # type: ignore[operator]
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


def test_the_result_sets_the_winner_against_everything(
    bench: Bench,
    spec: Spec,
) -> None:
    job_id = bench.submit(spec)
    bench.live(job_id)
    result = bench.get(f"jobs/{job_id}/result")
    task = spec["tasks"][0]["task"]
    winner, *others = result["holdout"]
    assert (winner["kind"], int(winner["label"])) == ("trial", result["winner"])
    assert winner["against_winner"] == {}
    assert {one["kind"] for one in others} == {"parent", "average", "grid"}
    for one in others:
        query = {"first": result["winner"], "second": f"{one['kind']}/{one['label']}"}
        compared = bench.get(f"jobs/{job_id}/compare", **query, split="holdout")
        assert one["against_winner"] == compared["tasks"]
        assert one["accuracies"][task]["n"] == ITEMS
    assert "0.2 left + 1 right" in {one["name"] for one in others}
    best = result["finalists"][0]
    assert best["trial"] == result["winner"]
    assert best["optimism"] == pytest.approx(best["search"] - best["holdout"])
    assert all(one["optimism"] is None for one in result["finalists"][1:])


def test_a_search_for_several_objectives_ends_with_a_front(bench: Bench, spec: Spec) -> None:
    spec["tasks"].append({"task": "word_problems_en"})
    over = ["word_problems_ja", "word_problems_en", "size"]
    spec["objectives"] = {"kind": "pareto", "over": over}
    spec["select"] = {"top_k": 3}
    refused = bench.api.post("/v1/jobs", json=spec)
    assert refused.status_code == 422
    assert "'cmaes' takes one objective, not 3" in refused.text
    spec["stages"][0]["sampler"] = {"kind": "random", "batch": 4}
    spec["stages"][0]["budget"] = {"trials": 24}
    whole, cut = bench.submit(spec), bench.submit(spec)
    bench.live(whole)
    bench.live_in_pieces(cut, 7)
    assert bench.log(cut) == bench.log(whole)
    found = bench.get(f"jobs/{whole}/front")
    trials = {one["number"]: one for one in bench.get(f"jobs/{whole}/trials")}
    points = {number: one["objectives"] for number, one in trials.items()}
    for one in found:
        mine = points[one["trial"]]
        assert one["objectives"]["size"] == 1000 == -mine[2]
        assert not any(
            other != mine and all(a >= b for a, b in zip(other, mine, strict=True))
            for other in points.values()
        )
    assert len(found) > 1
    result = bench.get(f"jobs/{whole}/result")
    finalists = {one["trial"] for one in result["finalists"]}
    assert finalists == {one["trial"] for one in found[:3]}
    # Of the front, the one of the best weighted mean on select wins.
    assert result["finalists"][0]["trial"] == result["winner"]


def test_finalists_and_winner_meet_the_constraints(bench: Bench, spec: Spec) -> None:
    spec["tasks"].append({"task": "word_problems_en", "weight": 0.1})
    spec["constraints"] = [{"task": "word_problems_en", "at_least": 0.9, "of": "left"}]
    spec["stages"][0]["sampler"] = {"kind": "random", "batch": 4}
    spec["stages"][0]["budget"] = {"trials": 24}
    job_id = bench.submit(spec)
    bench.live(job_id)
    result = bench.get(f"jobs/{job_id}/result")
    trials = {one["number"]: one for one in bench.get(f"jobs/{job_id}/trials")}
    met = [one for one in trials.values() if one["shortfall"] == 0]
    assert 0 < len(met) < len(trials)
    assert all(trials[one["trial"]]["shortfall"] == 0 for one in result["finalists"])
    best = max(met, key=lambda one: (one["fitness"], -one["number"]))["number"]
    assert bench.get(f"jobs/{job_id}")["best"]["trial"] == best
    on = {one["split"]: one for one in result["constraints"]}
    assert set(on) == {"search", "select", "holdout"}
    assert on["select"]["met"]
    parents = bench.get(f"jobs/{job_id}/evaluations", split="select", kind="parent")
    assert [one["label"] for one in parents] == ["left"]
    (english,) = [s for s in parents[0]["scores"] if s["task"] == "word_problems_en"]
    assert on["select"]["needed"] == pytest.approx(0.9 * english["accuracy"])


def test_more_budget_brings_no_more_seeds(bench: Bench, spec: Spec) -> None:
    spec["stages"][0]["budget"] = {"trials": 8}
    job_id = bench.submit(spec)
    bench.live(job_id)
    (seeded,) = bench.events(job_id, "stage.seeded")
    assert [one["trial"] for one in seeded["seeds"]] == [0, 1]
    log = bench.log(job_id)
    assert bench.api.post(f"/v1/jobs/{job_id}/extend", json={"trials": 40}).status_code == 202
    bench.live_in_pieces(job_id, 7)
    assert bench.log(job_id)[:8] == log
    assert bench.events(job_id, "stage.seeded") == [seeded]
    assert not bench.events(job_id, "replay.diverged")


def test_if_no_child_meets_the_constraints_the_nearest_wins_with_a_warning(
    bench: Bench, spec: Spec
) -> None:
    spec["constraints"] = [{"task": "word_problems_ja", "at_least": 1.0}]
    spec["stages"][0]["seeds"] = "none"
    job_id = bench.submit(spec)
    bench.live(job_id)
    result = bench.get(f"jobs/{job_id}/result")
    assert len([text for text in result["warnings"] if "misses a constraint" in text]) == 3


def test_importance_is_told_from_the_trials_that_are_there(bench: Bench, spec: Spec) -> None:
    spec["stages"][0]["space"] |= {"layer_groups": 1, "embeddings": False}
    spec["stages"][0]["budget"] = {"trials": 40}
    spec["stages"].append(_LAYERS | {"budget": {"trials": 3}})
    job_id = bench.submit(spec)
    assert bench.get(f"jobs/{job_id}/importance") == []
    bench.live(job_id)
    weights, layers = bench.get(f"jobs/{job_id}/importance")
    assert (weights["stage"], weights["trials"], weights["notes"]) == ("weights", 40, [])
    assert len(weights["importances"]) == len(weights["sensitivity"]["slopes"]) == 2
    assert sum(weights["importances"].values()) == pytest.approx(1)
    assert layers["importances"] is layers["sensitivity"] is None
    assert len(layers["notes"]) == 2


def test_a_job_starts_from_what_another_has_found(bench: Bench, spec: Spec) -> None:
    spec["stages"][0]["sampler"] = {"kind": "tpe", "batch": 4, "startup": 8}
    first = bench.submit(spec)
    bench.live(first)
    warm = spec["stages"][0] | {"warm_start": {"job": first, "stage": "weights"}}
    whole, cut = (bench.submit(spec | {"stages": [warm]}) for _ in range(2))
    bench.live(whole)
    bench.live_in_pieces(cut, 5)
    assert bench.log(cut) == bench.log(whole)
    # As many trials as the budget says, none of them drawn as if nothing were known.
    assert [trial["number"] for trial in bench.log(whole)] == list(range(8))
    assert bench.log(whole)[0]["genome"] != bench.log(first)[0]["genome"]
    other = warm | {"space": warm["space"] | {"layer_groups": 1}}
    refused = bench.api.post("/v1/jobs", json=spec | {"stages": [other]})
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert error["field"] == "stages.0.warm_start"
    assert "lacks the gene 'left.weight[layers 0-2]'" in error["message"]
    tasks = [{"task": "word_problems_en"}]
    refused = bench.api.post("/v1/jobs", json=spec | {"stages": [warm], "tasks": tasks})
    assert "its fitness is another" in refused.text
