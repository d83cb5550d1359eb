"""What a spec can name, how trials leave as columns and in detail, and what is counted."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.testclient import TestClient

from merging.recipe import Recipe
from service.jobs import repository as jobs
from service.tables import Trial
from service.trials import repository as trials
from tests.service.conftest import Spec


def test_all_that_a_spec_can_name_is_listed(api: TestClient) -> None:
    methods = {one["name"]: one for one in api.get("/v1/methods").json()}
    assert methods["ties"]["base"] == "required"
    assert "density" in {one["name"] for one in methods["ties"]["parameters"]}
    samplers = {one["kind"]: one["settings"] for one in api.get("/v1/samplers").json()}
    assert "population" in samplers["cmaes"]["properties"]
    tasks = {one["name"]: one for one in api.get("/v1/tasks").json()}
    assert tasks["word_problems_ja"]["splits"]["search"] == 256
    assert tasks["word_problems_ja"]["licence"] == "Apache-2.0"
    assert "tiny/base" in {one["ref"] for one in api.get("/v1/models").json()}


def test_trials_are_told_once_as_columns_and_filtered(
    api: TestClient, app: FastAPI, spec: Spec
) -> None:
    job_id = _with_trials(app, spec)
    path = f"/v1/jobs/{job_id}"
    first = api.get(f"{path}/history?limit=2").json()
    assert (first["trial"], first["fitness"]) == ([0, 1], [0.0, 0.25])
    rest = api.get(f"{path}/history", params={"since": first["cursor"]}).json()
    assert (rest["trial"], rest["state"]) == ([2, 3], ["finished", "failed"])
    none = api.get(f"{path}/history", params={"since": rest["cursor"]}).json()
    assert (none["trial"], none["cursor"]) == ([], rest["cursor"])

    def found(query: str) -> list[int]:
        return [trial["number"] for trial in api.get(f"{path}/trials?{query}").json()]

    assert found("state=failed") == [3]
    assert found("state=failed&state=pending") == [3, 4]
    assert found("stage=other") == []
    detail = api.get(f"{path}/trials/2").json()
    assert (detail["fitness"], detail["items"]) == (0.5, {})
    assert detail["recipe"]["merge_method"] == "linear"
    assert api.get(f"{path}/trials/9").status_code == 404


def test_jobs_and_trials_are_counted_for_prometheus(
    api: TestClient, app: FastAPI, spec: Spec
) -> None:
    _with_trials(app, spec)
    text = api.get("/v1/metrics").text
    assert 'cuvee_jobs{state="queued"} 1.0' in text
    assert 'cuvee_trials{state="finished"} 3.0' in text
    assert "cuvee_event_cursor 5.0" in text
    assert api.get("/v1/ready").json() == {"database": True}


def _with_trials(app: FastAPI, spec: Spec) -> str:
    """A job with three trials that were scored, one that failed, and one that waits."""
    recipe = Recipe.model_validate(
        {"merge_method": "linear", "models": [{"model": "a", "parameters": {"weight": 1}}]}
    )
    with app.state.database.transaction() as session:
        job_id = jobs.create(session, "told", spec, {}).id
        proposals = [trials.Proposal(number, (0.5,), recipe) for number in range(5)]
        members: list[Trial] = trials.add_generation(session, job_id, "weights", 0, proposals)
        for trial in members[:3]:
            trials.finish(session, trial, trials.Ending(trial.number / 4, n=8, tokens=100))
        trials.finish(session, members[3], trials.Ending(None, "it broke"))
    return job_id
