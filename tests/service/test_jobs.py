"""What one does with jobs: submit once, try, list, pause, clone, note, delete."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select

from service.jobs import repository as jobs
from service.tables import Base, HoldoutUse, now
from tests.service.conftest import Spec


def _submit(api: TestClient, spec: Spec, **changes: Any) -> dict[str, Any]:
    answer = api.post("/v1/jobs", json={**spec, **changes})
    assert answer.status_code == 201, answer.text
    job: dict[str, Any] = answer.json()
    return job


def test_a_hundred_submissions_under_one_key_make_one_job(api: TestClient, spec: Spec) -> None:
    headers = {"idempotency-key": "once"}

    def submit(_number: int) -> tuple[int, str]:
        answer = api.post("/v1/jobs", json=spec, headers=headers)
        return answer.status_code, answer.json()["id"]

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(submit, range(100)))
    assert sorted({status for status, _ in answers}) == [200, 201]
    assert sum(status == 201 for status, _ in answers) == 1
    assert len({job_id for _, job_id in answers}) == 1
    assert len(api.get("/v1/jobs").json()) == 1


def test_a_key_stands_for_one_body(api: TestClient, spec: Spec) -> None:
    headers = {"idempotency-key": "once"}
    assert api.post("/v1/jobs", json=spec, headers=headers).status_code == 201
    other = api.post("/v1/jobs", json={**spec, "seed": 4}, headers=headers)
    assert other.status_code == 422
    assert other.json()["errors"][0]["field"] == "Idempotency-Key"
    assert api.post("/v1/jobs", json=spec, headers={"idempotency-key": "two"}).status_code == 201
    assert api.post("/v1/jobs", json=spec, headers={"idempotency-key": "a b"}).status_code == 422


def test_trying_a_spec_tells_its_cost_and_starts_nothing(api: TestClient, spec: Spec) -> None:
    estimate = api.post("/v1/jobs/validate", json=spec).json()
    (stage,) = estimate["stages"]
    assert stage["dimension"] == len(stage["genes"]) == 8
    assert estimate["items_per_trial"] == 256
    assert (stage["trials"], stage["items"]) == (8, 8 * 256)
    assert stage["tokens"] % stage["items"] == 0
    assert estimate["memory"]["parents"] == 3 * estimate["memory"]["child"] > 0
    assert api.get("/v1/jobs").json() == []
    spec["tasks"][0]["search_metric"] = "target_bits_per_char"
    (unwritten,) = api.post("/v1/jobs/validate", json=spec).json()["stages"]
    assert (unwritten["items"], unwritten["tokens"]) == (8 * 256, 0)
    spec["items"] = 10
    spec["stages"][0]["budget"] = {"seconds": 60}
    estimate = api.post("/v1/jobs/validate", json=spec).json()
    assert estimate["items_per_trial"] == 10
    assert estimate["stages"][0]["items"] is None
    wrong = api.post("/v1/jobs/validate", json={**spec, "tasks": [{"task": "nothing"}]})
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["field"] == "tasks.0.task"


@pytest.mark.parametrize("sort", ["created", "-created", "name", "-name"])
def test_pages_hold_every_job_once_in_order(api: TestClient, spec: Spec, sort: str) -> None:
    names = ["pear", "apple", "fig", "apple", "plum"]
    made = [(_submit(api, spec, name=name)["id"], name) for name in names]
    seen, path = [], f"/v1/jobs?limit=2&sort={sort}"
    while path:
        answer = api.get(path)
        seen += [job["name"] for job in answer.json()]
        if len(seen) == 2:
            _submit(api, spec, name="zebra" if sort == "-name" else "aaa")
        link = answer.headers.get("link", "")
        assert not link or link.endswith('; rel="next"')
        path = link.partition(">")[0].removeprefix("<")
    order = [name for _, name in made]
    wanted = {"created": order, "-created": order[::-1]}.get(sort) or sorted(names)
    wanted = sorted(names, reverse=True) if sort == "-name" else wanted
    assert [name for name in seen if name != "aaa"] == wanted


def test_lists_are_filtered(api: TestClient, spec: Spec) -> None:
    first, second = (_submit(api, spec, name=name) for name in ("Alpha 100", "beta"))
    api.post(f"/v1/jobs/{second['id']}/cancel")
    api.patch(f"/v1/jobs/{first['id']}", json={"version": 1, "tags": ["good"]})

    def found(query: str) -> list[str]:
        return [job["name"] for job in api.get(f"/v1/jobs?sort=name&{query}").json()]

    assert found("state=queued") == ["Alpha 100"]
    assert found("state=queued&state=cancelling") == ["Alpha 100", "beta"]
    assert found("tag=good") == ["Alpha 100"]
    assert found("name=ALPHA") == ["Alpha 100"]
    assert found("name=%25") == []
    assert api.get("/v1/jobs?state=lost").status_code == 422


@pytest.mark.parametrize(
    "cursor", ["x", "bnVsbA", "e30", "W10", "WyItY3JlYXRlZCIsIngiLCJ5Il0", "é"]
)
def test_a_cursor_that_no_page_gave_is_refused(api: TestClient, cursor: str) -> None:
    answer = api.get("/v1/jobs", params={"cursor": cursor})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "cursor"


def test_a_job_is_paused_resumed_and_cancelled(api: TestClient, app: FastAPI, spec: Spec) -> None:
    job_id = _submit(api, spec)["id"]

    def ask(what: str) -> tuple[int, str]:
        answer = api.post(f"/v1/jobs/{job_id}/{what}")
        return answer.status_code, answer.json().get("state", "")

    assert ask("resume")[0] == 409
    assert ask("pause") == (202, "paused")
    assert ask("pause?now=true") == (202, "paused")
    assert ask("resume") == (202, "queued")
    with app.state.database.transaction() as session:
        jobs.start(session, job_id)
    assert ask("pause") == (202, "pausing")
    assert ask("resume") == (202, "running")
    assert ask("pause?now=true") == (202, "paused")
    assert ask("cancel") == (202, "cancelling")
    assert ask("pause")[0] == 409


def test_a_clone_has_other_values_where_it_is_told(api: TestClient, spec: Spec) -> None:
    original = _submit(api, spec)
    changes = {"name": "again", "stages.0.budget.trials": 20, "tasks.0.weight": 2}
    answer = api.post(f"/v1/jobs/{original['id']}/clone", json={"changes": changes})
    assert answer.status_code == 201
    clone = answer.json()
    assert clone["id"] != original["id"]
    assert (clone["name"], clone["trials_total"]) == ("again", 20)
    assert clone["spec"]["tasks"][0]["weight"] == 2
    assert api.get(f"/v1/jobs/{original['id']}").json() == original
    same = api.post(f"/v1/jobs/{original['id']}/clone", json={}).json()
    assert same["spec"] == original["spec"]
    for path in ("stages.3.name", "stages.first.name", "name.first", "nothing.here"):
        wrong = api.post(f"/v1/jobs/{original['id']}/clone", json={"changes": {path: 1}})
        assert wrong.status_code == 422
        assert wrong.json()["errors"][0]["field"] == f"changes.{path}"
    bad = api.post(f"/v1/jobs/{original['id']}/clone", json={"changes": {"seed": "x"}})
    assert bad.json()["errors"][0]["field"] == "seed"


def test_notes_and_tags_are_edited_by_version(api: TestClient, spec: Spec) -> None:
    job = _submit(api, spec)
    path = f"/v1/jobs/{job['id']}"
    assert (job["version"], job["notes"], job["tags"]) == (1, "", [])
    edit = {"version": 1, "notes": "as published", "tags": ["b", "a", "b"]}
    edited = api.patch(path, json=edit).json()
    assert (edited["version"], edited["tags"]) == (2, ["a", "b"])
    assert api.get(path).json() == edited
    stale = api.patch(path, json={"version": 1, "notes": "mine"})
    assert stale.status_code == 409
    assert "version 2" in stale.json()["detail"]
    kept = api.patch(path, json={"version": 2, "tags": []}).json()
    assert (kept["notes"], kept["tags"]) == ("as published", [])
    assert api.patch(path, json={"version": 3, "tags": ["a b"]}).status_code == 422


def test_only_an_ended_job_is_deleted_and_its_looks_at_holdouts_stay(
    api: TestClient, app: FastAPI, spec: Spec
) -> None:
    headers = {"idempotency-key": "gone"}
    job_id = api.post("/v1/jobs", json=spec, headers=headers).json()["id"]
    path, database = f"/v1/jobs/{job_id}", app.state.database
    assert api.delete(path).status_code == 409
    with database.transaction() as session:
        jobs.end(session, job_id, "cancelled")
        use = {"items_digest": "d", "winner": 3, "earlier": 0, "used_at": now()}
        session.add(HoldoutUse(job_id=job_id, task="t", round=0, **use))
    assert api.delete(path).status_code == 204
    assert api.get(path).status_code == api.delete(path).status_code == 404
    assert api.get("/v1/jobs").json() == []
    assert [use["winner"] for use in api.get("/v1/holdouts").json()] == [3]
    with database.snapshot() as session:
        for table in Base.metadata.tables.values():
            if "job_id" in table.columns and table.name not in {"holdout_uses", "events"}:
                assert session.execute(select(table)).all() == []
        rows = session.execute(select(Base.metadata.tables["jobs"])).mappings().all()
    assert "tiny" not in json.dumps([dict(row) for row in rows], default=str)
    assert api.post("/v1/jobs", json=spec, headers=headers).status_code == 201
