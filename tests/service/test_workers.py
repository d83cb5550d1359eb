"""What workers do, told by the API: all of it to whom it concerns, and no more to others."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.app import create_app
from service.controller.work_ids import About, about, of_export, of_job
from service.settings import Settings
from tests.faults.instant_workers import InstantWorkers
from tests.service.bearers import bearer
from tests.service.conftest import Spec
from tests.waiting import until


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    """With workers that take as long as the test does, and reports that come five a second."""
    given = settings.model_copy(
        update={"workers": 2, "local": False, "lease_seconds": 1.0, "drain_seconds": 0.0}
    )
    return create_app(given, partial(InstantWorkers, 2, 3600.0))


def _workers(api: TestClient, headers: dict[str, str]) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = api.get("/v1/workers", headers=headers).json()
    return listed


def test_each_worker_is_told_with_what_it_does_and_to_whom_it_concerns(
    app: FastAPI, api: TestClient, spec: Spec
) -> None:
    ann, ben = bearer(app, "ann", "jobs:read", "jobs:write"), bearer(app, "ben", "jobs:read")
    until(lambda: [one["busy"] for one in _workers(api, ann)] == [False, False])
    job = api.post("/v1/jobs", json=spec, headers=ann).json()
    until(lambda: [one["busy"] for one in _workers(api, ann)] == [True, True])
    seen = _workers(api, ann)
    assert {one["work"] for one in seen} == {"parent/base:search", "parent/left:search"}
    assert all(one["job_id"] == job["id"] and one["node"] == "here" for one in seen)
    assert all(one["since"] >= job["created_at"] for one in seen)
    assert [one["job_id"] for one in _workers(api, bearer(app, "root", "admin"))] == [job["id"]] * 2
    for one in _workers(api, ben):
        assert one["busy"]
        assert one["job_id"] is one["trial"] is one["work"] is one["export_id"] is None


@pytest.mark.parametrize(
    ("work_id", "said"),
    [
        (of_job("j", "trial/17", "search", 3), About("j", None, 17, "trial/17:search:3")),
        (of_job("j", "parent/a", "holdout"), About("j", None, None, "parent/a:holdout")),
        (of_job("j", "prepare", "fisher", None), About("j", None, None, "prepare:fisher:None")),
        (of_export("e"), About(None, "e", None, "export")),
        (of_export("e", 0), About(None, "e", None, "build")),
    ],
)
def test_the_id_of_a_piece_of_work_says_what_it_is_about(work_id: str, said: About) -> None:
    assert about(work_id) == said
