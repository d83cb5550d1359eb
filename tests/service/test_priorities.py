"""Priorities through the API: given with a job, changed while it runs, refused where wrong."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.database import Database
from service.jobs import repository as jobs
from tests.service.conftest import Spec


def test_a_job_has_the_priority_that_it_is_given(api: TestClient, spec: Spec) -> None:
    usual = api.post("/v1/jobs", json=spec).json()
    urgent = api.post("/v1/jobs", json=spec, params={"priority": 40}).json()
    assert (usual["priority"], urgent["priority"]) == (10, 40)
    path = f"/v1/jobs/{usual['id']}"
    assert api.put(f"{path}/priority", json={"priority": 5}).json()["priority"] == 5
    assert api.get(path).json()["priority"] == 5


@pytest.mark.parametrize("priority", [0, 101, "high"])
def test_a_priority_out_of_range_is_refused_by_its_name(
    api: TestClient, spec: Spec, priority: object
) -> None:
    submitted = api.post("/v1/jobs", json=spec, params={"priority": str(priority)})
    assert submitted.status_code == 422
    assert submitted.json()["errors"][0]["field"].endswith("priority")
    assert api.get("/v1/jobs").json() == []
    job = api.post("/v1/jobs", json=spec).json()
    changed = api.put(f"/v1/jobs/{job['id']}/priority", json={"priority": priority})
    assert changed.status_code == 422


def test_an_ended_job_has_no_share_to_change(api: TestClient, app: FastAPI, spec: Spec) -> None:
    job_id = api.post("/v1/jobs", json=spec).json()["id"]
    database: Database = app.state.database
    with database.transaction() as session:
        jobs.end(session, job_id, "finished")
    answer = api.put(f"/v1/jobs/{job_id}/priority", json={"priority": 20})
    assert answer.status_code == 409
