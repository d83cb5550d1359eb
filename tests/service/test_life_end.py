"""What a life ends with: the winner against everything, a front, constraints, importance."""

from __future__ import annotations

import pytest

from tests.instant_scores import ITEMS
from tests.service.conftest import Spec
from tests.service.instant import LAYERS, Bench


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
    spec["stages"].append(LAYERS | {"budget": {"trials": 3}})
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
