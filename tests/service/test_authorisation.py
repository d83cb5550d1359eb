"""Every route, and who is let in: nobody without a token, or without its scope, or to another's."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from pydantic import SecretStr

from service.accounts.policy import SCOPES, Access, Scope
from service.app import create_app
from service.jobs import repository as jobs
from service.sealing import new_key
from service.settings import Settings
from service.webhooks import repository as webhooks
from tests.service.bearers import bearer
from tests.service.conftest import Spec

# What each route asks for. A new route needs its line here.
ACCESS: dict[tuple[str, str], Access] = {
    ("GET", "/"): "jobs:read",
    ("GET", "/jobs"): "jobs:read",
    ("GET", "/jobs/{job_id}"): "jobs:read",
    ("GET", "/compare"): "jobs:read",
    ("GET", "/login"): "open",
    ("GET", "/new"): "jobs:read",
    ("GET", "/static/plotly.min.js"): "open",
    ("GET", "/static/{name}"): "open",
    ("GET", "/v1/account"): "signed in",
    ("GET", "/v1/audit"): "admin",
    ("GET", "/v1/events"): "jobs:read",
    ("GET", "/v1/health"): "open",
    ("GET", "/v1/ready"): "open",
    ("GET", "/v1/metrics"): "jobs:read",
    ("GET", "/v1/methods"): "jobs:read",
    ("GET", "/v1/models"): "jobs:read",
    ("GET", "/v1/samplers"): "jobs:read",
    ("GET", "/v1/tasks"): "jobs:read",
    ("GET", "/v1/jobs/{job_id}/history"): "jobs:read",
    ("GET", "/v1/jobs/{job_id}/trials/{number}"): "jobs:read",
    ("GET", "/v1/holdouts"): "jobs:read",
    ("GET", "/v1/jobs"): "jobs:read",
    ("POST", "/v1/jobs"): "jobs:write",
    ("GET", "/v1/jobs/{job_id}"): "jobs:read",
    ("GET", "/v1/jobs/{job_id}/best"): "jobs:read",
    ("PATCH", "/v1/jobs/{job_id}"): "jobs:write",
    ("DELETE", "/v1/jobs/{job_id}"): "jobs:write",
    ("POST", "/v1/jobs/{job_id}/cancel"): "jobs:write",
    ("POST", "/v1/jobs/{job_id}/clone"): "jobs:write",
    ("POST", "/v1/jobs/{job_id}/pause"): "jobs:write",
    ("POST", "/v1/jobs/{job_id}/resume"): "jobs:write",
    ("POST", "/v1/jobs/validate"): "jobs:read",
    ("POST", "/v1/drafts"): "jobs:read",
    ("GET", "/v1/drafts/choices"): "jobs:read",
    ("GET", "/v1/jobs/{job_id}/compare"): "jobs:read",
    ("GET", "/v1/jobs/{job_id}/evaluations"): "jobs:read",
    ("GET", "/v1/jobs/{job_id}/exports"): "jobs:read",
    ("POST", "/v1/jobs/{job_id}/exports"): "export",
    ("GET", "/v1/jobs/{job_id}/exports/{export_id}"): "jobs:read",
    ("POST", "/v1/jobs/{job_id}/extend"): "jobs:write",
    ("GET", "/v1/jobs/{job_id}/front"): "jobs:read",
    ("GET", "/v1/jobs/{job_id}/importance"): "jobs:read",
    ("GET", "/v1/jobs/{job_id}/panels/answers"): "jobs:read",
    ("GET", "/v1/jobs/{job_id}/panels/questions"): "jobs:read",
    ("GET", "/v1/jobs/{job_id}/panels/genes"): "jobs:read",
    ("GET", "/v1/jobs/{job_id}/panels/glance"): "jobs:read",
    ("GET", "/v1/jobs/{job_id}/panels/items"): "jobs:read",
    ("GET", "/v1/jobs/{job_id}/panels/log"): "jobs:read",
    ("GET", "/v1/jobs/{job_id}/panels/seeds"): "jobs:read",
    ("GET", "/v1/jobs/{job_id}/panels/timeline"): "jobs:read",
    ("GET", "/v1/jobs/{job_id}/panels/trials/{number}/picture"): "jobs:read",
    ("PUT", "/v1/jobs/{job_id}/priority"): "jobs:write",
    ("GET", "/v1/jobs/{job_id}/result"): "jobs:read",
    ("GET", "/v1/jobs/{job_id}/trials"): "jobs:read",
    ("GET", "/v1/jobs/{job_id}/trials/{number}/recipe.yaml"): "jobs:read",
    ("POST", "/v1/session"): "open",
    ("DELETE", "/v1/session"): "signed in",
    ("GET", "/v1/tokens"): "admin",
    ("POST", "/v1/tokens"): "admin",
    ("DELETE", "/v1/tokens/{token_id}"): "admin",
    ("GET", "/v1/exports"): "jobs:read",
    ("DELETE", "/v1/jobs/{job_id}/exports/{export_id}"): "export",
    ("GET", "/v1/quotas"): "jobs:read",
    ("GET", "/v1/quotas/{owner}"): "admin",
    ("PUT", "/v1/quotas/{owner}"): "admin",
    ("DELETE", "/v1/quotas/{owner}"): "admin",
    ("GET", "/v1/hub-credential"): "jobs:read",
    ("PUT", "/v1/hub-credential"): "export",
    ("DELETE", "/v1/hub-credential"): "export",
    ("GET", "/v1/workers"): "jobs:read",
    ("GET", "/v1/webhooks"): "jobs:read",
    ("POST", "/v1/webhooks"): "jobs:write",
    ("GET", "/v1/webhooks/{webhook_id}"): "jobs:read",
    ("DELETE", "/v1/webhooks/{webhook_id}"): "jobs:write",
    ("POST", "/v1/webhooks/{webhook_id}/retry"): "jobs:write",
}
GUARDED = sorted(route for route, access in ACCESS.items() if access != "open")
OF_A_JOB = [route for route in GUARDED if "{job_id}" in route[1]]
OF_A_WEBHOOK = [route for route in GUARDED if "{webhook_id}" in route[1]]


@pytest.fixture(scope="module")
def app(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """One for all tests, which each bring owners or jobs of their own."""
    return create_app(
        Settings(
            data_dir=tmp_path_factory.mktemp("authorisation"),
            models_dir=models_dir,
            workers=0,
            request_rate=0.0,
            secret_key=SecretStr(new_key()),
            webhook_networks=[ip_network("127.0.0.0/8")],
        )
    )


@pytest.fixture(scope="module")
def api(app: FastAPI) -> Iterator[TestClient]:
    client = TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)
    with client:
        yield client


def test_every_route_has_its_line(app: FastAPI) -> None:
    routes = {
        (method, str(route.path))
        for route in iter_route_contexts(app.routes)
        if route.path != "/openapi.json"
        for method in route.methods or ()
    }
    assert routes == ACCESS.keys()


@pytest.mark.parametrize("route", GUARDED)
def test_nobody_is_let_in_without_a_token_that_works(
    api: TestClient, route: tuple[str, str]
) -> None:
    method, path = route
    unknown = {"authorization": "Bearer cuvee_guessed"}
    for headers in ({}, unknown, {"cookie": "cuvee_session=guessed"}):
        answer = api.request(method, _filled(path), headers=headers)
        if path.startswith("/v1/"):
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.headers["content-type"] == "application/problem+json"
        else:
            assert answer.status_code == 303
            assert answer.headers["location"].partition("?next=")[0].endswith("/login")


@pytest.mark.parametrize("route", GUARDED)
def test_a_token_without_the_scope_is_refused(
    app: FastAPI, api: TestClient, route: tuple[str, str]
) -> None:
    method, path = route
    others = [scope for scope in SCOPES if scope not in {ACCESS[route], "admin"}]
    if ACCESS[route] == "signed in":
        return
    answer = api.request(method, _filled(path), headers=bearer(app, "ann", *others))
    assert answer.status_code == 403
    assert str(ACCESS[route]) in answer.json()["detail"]


@pytest.mark.parametrize("route", OF_A_JOB)
def test_anothers_job_does_not_exist(
    app: FastAPI, api: TestClient, spec: Spec, route: tuple[str, str]
) -> None:
    method, path = route
    with app.state.database.transaction() as session:
        job_id = jobs.create(session, "mine", spec, {}, owner="ann").id
    headers = bearer(app, "ben", "jobs:read", "jobs:write", "export")
    answer = api.request(method, path.replace("{job_id}", job_id), headers=headers)
    assert answer.status_code == 404
    absent = api.request(method, path.replace("{job_id}", "none"), headers=headers)
    assert absent.status_code in {404, 422}


@pytest.mark.parametrize("route", OF_A_WEBHOOK)
def test_anothers_webhook_does_not_exist(
    app: FastAPI, api: TestClient, route: tuple[str, str]
) -> None:
    method, path = route
    with app.state.database.transaction() as session:
        webhook_id = webhooks.new_id()
        webhooks.create(session, "ann", "https://a.example", webhook_id=webhook_id, seal="")
    scopes: list[Scope] = ["jobs:read", "jobs:write"]
    address = path.replace("{webhook_id}", webhook_id)
    answer = api.request(method, address, headers=bearer(app, "ben", *scopes))
    assert answer.status_code == 404
    assert api.get("/v1/webhooks", headers=bearer(app, "ben", *scopes)).json() == []
    listed = api.get("/v1/webhooks", headers=bearer(app, "root", "admin")).json()
    assert webhook_id in {one["id"] for one in listed}
    assert api.request(method, address, headers=bearer(app, "ann", *scopes)).is_success


def test_nobody_is_told_of_events_of_anothers_job(
    app: FastAPI, api: TestClient, spec: Spec
) -> None:
    with app.state.database.transaction() as session:
        job_id = jobs.create(session, "mine", spec, {}, owner="ann").id
    asked = {"url": "https://127.0.0.1", "job_id": job_id}
    answer = api.post("/v1/webhooks", json=asked, headers=bearer(app, "ben", "jobs:write"))
    assert answer.status_code == 422
    assert "there is no job" in answer.json()["detail"]


def test_lists_and_streams_hold_what_the_caller_owns(
    app: FastAPI, api: TestClient, spec: Spec
) -> None:
    ann, ben = (bearer(app, owner, "jobs:read", "jobs:write") for owner in ("lists", "ben"))
    mine = api.post("/v1/jobs", json=spec, headers=ann).json()
    assert mine["owner"] == "lists"
    assert [job["id"] for job in api.get("/v1/jobs", headers=ann).json()] == [mine["id"]]
    assert api.get("/v1/jobs", headers=ben).json() == []
    listed = api.get("/v1/jobs", headers=bearer(app, "root", "admin")).json()
    assert listed[0]["id"] == mine["id"]
    assert api.get("/v1/events", params={"job": mine["id"]}, headers=ben).status_code == 404


def test_a_stage_cannot_learn_from_anothers_job(app: FastAPI, api: TestClient, spec: Spec) -> None:
    ann, ben = (bearer(app, owner, "jobs:read", "jobs:write") for owner in ("ann", "ben"))
    job_id = api.post("/v1/jobs", json=spec, headers=ann).json()["id"]
    spec["stages"][0]["warm_start"] = {"job": job_id, "stage": "weights"}
    answer = api.post("/v1/jobs", json=spec, headers=ben)
    assert answer.status_code == 422
    assert "there is no job" in answer.json()["detail"]
    assert "begun" in api.post("/v1/jobs", json=spec, headers=ann).json()["detail"]


def _filled(path: str) -> str:
    return path.replace("{job_id}", "some").replace("{number}", "0")
