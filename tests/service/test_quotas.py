"""Quotas: what an owner may have, what happens at the limit, and who may change it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from search.baselines import parent_recipe
from service.accounts.policy import Scope
from service.app import create_app
from service.controller import limiting
from service.database import Database
from service.events import repository as events
from service.jobs import repository as jobs
from service.quotas import repository as quotas
from service.quotas.repository import Quotas
from service.settings import Settings
from service.trials import repository as trials
from tests.faults.instant_workers import InstantWorkers
from tests.service.bearers import bearer
from tests.service.conftest import Spec
from tests.service.exported import export, finished_job
from tests.waiting import until

SignedIn = Callable[..., AbstractContextManager[None]]


@pytest.fixture
def signed_in(app: FastAPI, api: TestClient) -> SignedIn:
    """Has `api` be of an owner, with scopes, within a block."""

    @contextmanager
    def as_owner(
        owner: str, scopes: Sequence[Scope] = ("jobs:read", "jobs:write", "export")
    ) -> Iterator[None]:
        api.headers.update(bearer(app, owner, *scopes))
        yield
        del api.headers["authorization"]

    return as_owner


def _limit(app: FastAPI, owner: str, **most: int) -> None:
    with app.state.database.transaction() as session:
        quotas.set_for(session, owner, Quotas(**most))


def _refusal(api: TestClient, method: str, path: str, **body: Any) -> str:
    answer = api.request(method, path, **body)
    assert answer.status_code == 429, answer.text
    assert "retry-after" not in answer.headers
    assert answer.json()["title"] == "Quota reached"
    detail: str = answer.json()["detail"]
    return detail


def test_the_queue_is_full_for_its_owner_alone(
    app: FastAPI, api: TestClient, spec: Spec, signed_in: SignedIn
) -> None:
    _limit(app, "ann", queued_jobs=1)
    with signed_in("ann"):
        once = {"idempotency-key": "once"}
        job = api.post("/v1/jobs", json=spec, headers=once).json()
        path = f"/v1/jobs/{job['id']}"
        for refused in ("/v1/jobs", f"{path}/clone"):
            body = spec if refused == "/v1/jobs" else {"changes": {}}
            assert "queued_jobs is 1" in _refusal(api, "POST", refused, json=body)
        # What was made already is no other job.
        assert api.post("/v1/jobs", json=spec, headers=once).json()["id"] == job["id"]
        api.post(f"{path}/pause")
        assert api.post("/v1/jobs", json=spec).status_code == 201
        assert "queued_jobs" in _refusal(api, "POST", f"{path}/resume")
    with signed_in("ben"):
        assert api.post("/v1/jobs", json=spec).status_code == 201


def test_a_days_trials_are_counted_over_all_jobs_and_refuse_the_next(
    app: FastAPI, api: TestClient, spec: Spec, signed_in: SignedIn
) -> None:
    with signed_in("ann"):
        job_id = finished_job(app, api, spec)
        _limit(app, "ann", trials_per_day=8)
        assert api.get("/v1/quotas").json()["trials_per_day"] == {"limit": 8, "used": 8}
        assert "trials_per_day is 8" in _refusal(api, "POST", "/v1/jobs", json=spec)
        more = {"trials": 4}
        assert "trials_per_day" in _refusal(api, "POST", f"/v1/jobs/{job_id}/extend", json=more)
        _limit(app, "ann", trials_per_day=9)
        assert api.post("/v1/jobs", json=spec).status_code == 201


def test_exports_fill_their_owners_space_until_they_are_deleted(
    app: FastAPI, api: TestClient, spec: Spec, signed_in: SignedIn
) -> None:
    with signed_in("ann"):
        job_id = finished_job(app, api, spec)
        first = export(app, api, job_id)
        size = sum(file["size"] for file in first["files"])
        assert api.get("/v1/quotas").json()["export_bytes"] == {"limit": None, "used": size}
        _limit(app, "ann", export_bytes=size)
        path = f"/v1/jobs/{job_id}/exports"
        assert "export_bytes" in _refusal(api, "POST", path, json={})
        _limit(app, "ann", export_bytes=size + 1)
        waiting = api.post(path, json={}).json()
        assert api.delete(f"{path}/{waiting['id']}").status_code == 409
        # Both were let in; the first of them fills the space.
        late = export(app, api, job_id)
        assert late["state"] == "failed"
        assert "export_bytes" in late["reason"]
        ids = [one["id"] for one in api.get("/v1/exports").json()]
        assert ids == [late["id"], waiting["id"], first["id"]]
        assert api.delete(f"/v1/jobs/{job_id}").status_code == 204
        assert api.get("/v1/quotas").json()["export_bytes"]["used"] > size
    with signed_in("ben"):
        assert api.get("/v1/exports").json() == []
        assert api.delete(f"{path}/{first['id']}").status_code == 404
    with signed_in("ann"):
        for one in api.get("/v1/exports").json():
            assert api.delete(f"{path}/{one['id']}").status_code == 204
            assert not Path(one["folder"]).exists()
        assert api.get("/v1/quotas").json()["export_bytes"]["used"] == 0


def test_settings_are_for_everybody_and_an_administrator_says_what_one_may(
    app: FastAPI, api: TestClient, signed_in: SignedIn
) -> None:
    app.state.settings.quota_running_jobs = 3
    app.state.settings.quota_export_gigabytes = 0.5
    with signed_in("root", ["admin"]):
        general = api.get("/v1/quotas/ann").json()
        assert general["running_jobs"] == {"limit": 3, "used": 0}
        assert general["export_bytes"]["limit"] == 500_000_000
        body = {"running_jobs": 7, "trials_per_day": 0}
        assert api.put("/v1/quotas/ann", json=body).json()["running_jobs"]["limit"] == 7
        assert api.put("/v1/quotas/a b", json=body).status_code == 422
        wrong = api.put("/v1/quotas/ann", json={"running_jobs": -1}).json()
        assert wrong["errors"][0]["field"] == "body.running_jobs"
    with signed_in("ann"):
        own = api.get("/v1/quotas").json()
        assert (own["running_jobs"]["limit"], own["trials_per_day"]["limit"]) == (7, 0)
        assert own["export_bytes"]["limit"] == 500_000_000
    with signed_in("root", ["admin"]):
        assert api.delete("/v1/quotas/ann").status_code == 204
        assert api.get("/v1/quotas/ann").json() == general


def test_both_databases_count_what_an_owner_has(database_url: str, settings: Settings) -> None:
    database = Database(database_url)
    database.migrate()
    with database.transaction() as session:
        quotas.set_for(session, "ann", Quotas(running_jobs=1, trials_per_day=2**40))
        first, second = (jobs.create(session, name, {}, {}, owner="ann") for name in "ab")
        jobs.create(session, "c", {}, {}, owner="ben")
        assert quotas.may_run(session, first, settings)
        jobs.start(session, first.id)
        recipe = parent_recipe("tiny/base")
        proposals = [trials.Proposal(number, (0.0,), recipe) for number in range(3)]
        trials.add_generation(session, first.id, "s", 0, proposals)
        session.flush()
        old = trials.get(session, first.id, 0)
        old.created_at -= quotas.DAY
        assert quotas.may_run(session, first, settings)
        assert not quotas.may_run(session, second, settings)
    with database.snapshot() as session:
        assert quotas.used(session, "ann") == Quotas(1, 1, 2, 0)
        assert quotas.used(session, "ben") == Quotas(0, 1, 0, 0)
        most = quotas.of_all(session, ["ann", "ben"], settings)
        assert most == {"ann": Quotas(1, None, 2**40, None), "ben": Quotas()}
    database.close()


class TestAtWork:
    """With a controller, and workers that take longer for a job than it takes to look at it."""

    @pytest.fixture
    def app(self, settings: Settings) -> FastAPI:
        given = settings.model_copy(update={"workers": 2, "request_rate": 0.0})
        return create_app(given, partial(InstantWorkers, 2, 0.02))

    def test_an_owners_jobs_take_turns_where_one_may_run(
        self, app: FastAPI, spec: Spec, signed_in: SignedIn, api: TestClient
    ) -> None:
        _limit(app, "ann", running_jobs=1)
        with signed_in("ann"):
            made = [api.post("/v1/jobs", json=spec).json()["id"] for _ in range(3)]
            until(lambda: all(_state(app, job_id) == "finished" for job_id in made), 120)
        with app.state.database.snapshot() as session:
            seen = events.after(session, 0, kinds=["job.started", "job.finished"])
        # Begun and ended in pairs: never two at once.
        assert [event.kind for event in seen] == ["job.started", "job.finished"] * 3
        assert [event.job_id for event in seen[::2]] == [event.job_id for event in seen[1::2]]

    def test_jobs_rest_once_the_days_trials_are_spent_and_go_on_by_themselves(
        self,
        app: FastAPI,
        api: TestClient,
        spec: Spec,
        signed_in: SignedIn,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(limiting, "_COUNT_SECONDS", 0.0)
        spec["stages"][0]["budget"]["trials"] = 100
        with signed_in("ben"):
            free = api.post("/v1/jobs", json=spec).json()["id"]
        until(lambda: _state(app, free) == "finished", 120)
        _limit(app, "ann", trials_per_day=1)
        with signed_in("ann"):
            job_id = api.post("/v1/jobs", json=spec).json()["id"]
            until(lambda: bool(_told(app, job_id, "quota.reached")), 120)
            resting = api.get("/v1/quotas").json()["trials_per_day"]["used"]
            assert 1 <= resting < 100
            assert _state(app, job_id) == "running"
            _limit(app, "ann")
            until(lambda: _state(app, job_id) == "finished", 120)
        assert _told(app, job_id, "quota.free") == [{"quota": "trials_per_day"}]
        with app.state.database.snapshot() as session:
            logs = [trials.all_of(session, one) for one in (job_id, free)]
        rested, undisturbed = ([trial.genome for trial in log] for log in logs)
        assert len(rested) == 100
        assert rested == undisturbed


def _state(app: FastAPI, job_id: str) -> str:
    with app.state.database.snapshot() as session:
        return jobs.get(session, job_id).state


def _told(app: FastAPI, job_id: str, kind: str) -> list[dict[str, Any]]:
    with app.state.database.snapshot() as session:
        return events.data_of(session, job_id, kind)
