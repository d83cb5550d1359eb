"""Jobs lived in no time, and their exports carried out in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.controller.exporting import ExportQueue
from service.controller.holding import Holdings
from tests.service.conftest import Spec
from tests.service.instant import live
from workers.evaluator import Evaluator
from workers.work import WriteCheckpoint


def finished_job(app: FastAPI, api: TestClient, spec: Spec) -> str:
    """The id of a job that was lived to its end."""
    answer = api.post("/v1/jobs", json=spec)
    assert answer.status_code == 201, answer.text
    job_id: str = answer.json()["id"]
    live(app.state.database, app.state.settings, job_id)
    return job_id


def export(app: FastAPI, api: TestClient, job_id: str, **body: Any) -> dict[str, Any]:
    """Ask for an export, and write it as the controller and a worker do."""
    answer = api.post(f"/v1/jobs/{job_id}/exports", json=body)
    assert answer.status_code == 202, answer.text
    holdings = Holdings(app.state.database, workers=0, seconds=60.0)
    queue = ExportQueue(app.state.database, holdings, app.state.settings)
    while (found := queue.next()) is not None:
        _, work = found
        assert isinstance(work, WriteCheckpoint)
        queue.record(Evaluator(work.context).write(work, "here"))
    view: dict[str, Any] = api.get(f"/v1/jobs/{job_id}/exports/{answer.json()['id']}").json()
    return view


def folder_of(view: dict[str, Any]) -> Path:
    """The folder that an export was written to."""
    return Path(view["folder"])
