"""The API over a job that waits: submit, list, look, cancel, follow, and every refusal."""

from __future__ import annotations

import contextlib
import json
import threading

import httpx
import pytest
import yaml
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.database import Database
from service.events import repository as events
from service.jobs import repository as jobs
from tests.service.conftest import Spec


def test_a_spec_is_taken_as_json_and_as_yaml(api: TestClient, spec: Spec) -> None:
    first = api.post("/v1/jobs", json=spec)
    text = yaml.safe_dump(spec)
    second = api.post("/v1/jobs", content=text, headers={"content-type": "application/yaml"})
    assert first.status_code == second.status_code == 201
    assert first.json()["spec"] == second.json()["spec"]
    assert first.json()["model_digests"] == second.json()["model_digests"]
    assert [job["id"] for job in api.get("/v1/jobs").json()] == [
        second.json()["id"],
        first.json()["id"],
    ]


def test_a_new_job_is_queued_with_its_budget(api: TestClient, spec: Spec) -> None:
    job = api.post("/v1/jobs", json=spec).json()
    assert job["state"] == "queued"
    assert job["trials_total"] == 8
    assert job["trials_finished"] == job["trials_failed"] == 0
    assert job["best"] is None
    assert api.get(f"/v1/jobs/{job['id']}").json() == job


def test_a_job_is_cancelled_until_it_has_ended(api: TestClient, app: FastAPI, spec: Spec) -> None:
    job_id = api.post("/v1/jobs", json=spec).json()["id"]
    assert api.post(f"/v1/jobs/{job_id}/cancel").json()["state"] == "cancelling"
    with app.state.database.transaction() as session:
        jobs.end(session, job_id, "cancelled")
    answer = api.post(f"/v1/jobs/{job_id}/cancel")
    assert answer.status_code == 409
    assert "cancelled" in answer.json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/jobs/nobody",
        "/v1/jobs/nobody/trials",
        "/v1/jobs/nobody/evaluations",
        "/v1/jobs/nobody/best",
        "/v1/jobs/nobody/exports",
        "/v1/jobs/nobody/trials/0/recipe.yaml",
        "/v1/jobs/nobody/exports/none",
    ],
)
def test_what_does_not_exist_is_a_problem_404(api: TestClient, path: str) -> None:
    answer = api.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "nobody" in answer.json()["detail"]


def test_best_and_export_need_a_scored_trial(api: TestClient, spec: Spec) -> None:
    job_id = api.post("/v1/jobs", json=spec).json()["id"]
    assert api.get(f"/v1/jobs/{job_id}/best").status_code == 404
    assert api.post(f"/v1/jobs/{job_id}/exports", json={}).status_code == 409


def test_an_export_takes_no_path(api: TestClient, spec: Spec) -> None:
    job_id = api.post("/v1/jobs", json=spec).json()["id"]
    answer = api.post(f"/v1/jobs/{job_id}/exports", json={"folder": "/tmp/mine"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "body.folder"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 403),
        ({"host": "evil.example:8642"}, 403),
        ({"host": "[::1"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"content-length": str(2**21)}, 413),
        ({"content-length": "9" * 5000}, 413),
        ({"content-length": "-1"}, 411),
        ({"transfer-encoding": "chunked"}, 411),
    ],
)
def test_other_hosts_other_sites_and_huge_bodies_are_refused(
    api: TestClient, headers: dict[str, str], status: int
) -> None:
    answer = api.post("/v1/jobs", content=b"{}", headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_services_own_pages_may_call_it(api: TestClient, spec: Spec) -> None:
    answer = api.post("/v1/jobs", json=spec, headers={"origin": "http://127.0.0.1"})
    assert answer.status_code == 201


def test_health_is_ok_and_openapi_is_complete(api: TestClient) -> None:
    assert api.get("/v1/health").json()["status"] == "ok"
    paths = api.get("/openapi.json").json()["paths"]
    assert {
        "/v1/jobs",
        "/v1/jobs/{job_id}",
        "/v1/jobs/{job_id}/trials",
        "/v1/jobs/{job_id}/trials/{number}/recipe.yaml",
        "/v1/jobs/{job_id}/best",
        "/v1/jobs/{job_id}/cancel",
        "/v1/jobs/{job_id}/exports",
        "/v1/events",
    } <= paths.keys()


def test_a_defect_is_a_problem_500_that_tells_nothing(app: FastAPI) -> None:
    database: Database = app.state.database
    with database.transaction() as session:
        jobs.create(session, "defect", {"stages": "secret"}, {})
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        answer = client.get("/v1/jobs")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text


def test_events_have_a_cursor_without_gaps_and_filter_by_job(app: FastAPI, spec: Spec) -> None:
    database: Database = app.state.database
    with database.transaction() as session:
        first = jobs.create(session, "a", spec, {}).id
        second = jobs.create(session, "b", spec, {}).id
        for number in range(5):
            events.append(session, (first, second)[number % 2], "note", {"number": number})
    _append_and_fail(database, first)
    with database.transaction() as session:
        events.append(session, first, "note", {"number": 5})
    with database.transaction() as session:
        everything = events.after(session, 0)
        mine = events.after(session, 3, first)
    assert [event.id for event in everything] == list(range(1, 9))
    assert [event.data["number"] for event in mine] == [2, 4, 5]


def test_no_update_is_lost_between_writers(app: FastAPI, spec: Spec) -> None:
    database: Database = app.state.database
    with database.transaction() as session:
        job_id = jobs.create(session, "counted", spec, {}).id

    def count() -> None:
        for _ in range(25):
            with database.transaction() as session:
                job = jobs.get(session, job_id)
                job.winner = (job.winner or 0) + 1

    writers = [threading.Thread(target=count) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    with database.transaction() as session:
        assert jobs.get(session, job_id).winner == 200


class _Failure(Exception):
    """What goes wrong in the middle of a transaction."""


def _append_and_fail(database: Database, job_id: str) -> None:
    with contextlib.suppress(_Failure), database.transaction() as session:
        events.append(session, job_id, "lost", {})
        session.flush()
        raise _Failure


def read_events(answer: httpx.Response, count: int) -> list[tuple[int, str, dict[str, object]]]:
    """The first `count` events of a stream: cursor, kind and data."""
    found = []
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
        elif "data" in fields:
            found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
            fields = {}
            if len(found) == count:
                break
    return found
