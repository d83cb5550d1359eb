"""The thread that uploads: what its exports' rows and events say, from queued to a commit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from huggingface_hub import constants
from pydantic import SecretStr

from service.controller.holding import Holdings
from service.exports.uploader import Uploader
from service.sealing import new_key
from service.settings import Settings
from tests.hub_server import hub_server
from tests.hub_state import TOKEN, Hub
from tests.service.bearers import bearer
from tests.service.conftest import Spec
from tests.service.exported import export, finished_job

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")

TARGET = {"target": "hub:me/child"}


@pytest.fixture
def hub(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub, and the thread that uploads to it."""
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", "/nowhere")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    with hub_server() as serving:
        monkeypatch.setattr(constants, "ENDPOINT", serving.address)
        holdings = Holdings(app.state.database, workers=0, seconds=60.0)
        uploader = Uploader(app.state.database, holdings, app.state.settings)
        uploader.start()
        yield serving
        uploader.stop()
        uploader.join()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(TOKEN)
    return path


@pytest.fixture
def settings(models_dir: Path, tmp_path: Path, secret: Path) -> Settings:
    return Settings(
        data_dir=tmp_path / "data",
        models_dir=models_dir,
        workers=0,
        local=True,
        hub_token_file=secret,
        secret_key=SecretStr(new_key()),
    )


@pytest.fixture
def job_id(app: FastAPI, api: TestClient, spec: Spec) -> str:
    return finished_job(app, api, spec)


def ended(api: TestClient, job_id: str, export_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while True:
        view: dict[str, Any] = api.get(f"/v1/jobs/{job_id}/exports/{export_id}").json()
        if view["state"] not in {"queued", "uploading"}:
            return view
        assert time.monotonic() < deadline, view
        time.sleep(0.05)


def test_a_refused_upload_asked_for_again_is_the_same_export_and_one_commit(
    app: FastAPI, api: TestClient, job_id: str, hub: Hub, settings: Settings
) -> None:
    hub.tokens = {"a newer one"}
    first = export(app, api, job_id, **TARGET)
    failed = ended(api, job_id, first["id"])
    assert failed["state"] == "failed"
    assert "401" in failed["reason"]
    assert hub.repositories == {}
    hub.tokens = {TOKEN}
    again = export(app, api, job_id, **TARGET)
    assert again["id"] == first["id"]
    done = ended(api, job_id, first["id"])
    assert done["state"] == "finished", done["reason"]
    assert done["uploaded"] == done["size"] == sum(file["size"] for file in done["files"])
    repository = hub.repositories["me/child"]
    assert done["commit"].endswith(repository.head.oid)
    assert len(repository.commits) == 2
    assert set(repository.head.files) == {*(f["path"] for f in done["files"]), ".gitattributes"}
    later = export(app, api, job_id, **TARGET)
    assert later["id"] != first["id"]
    assert ended(api, job_id, later["id"])["commit"] == done["commit"]
    assert len(repository.commits) == 2
    for path in settings.data_dir.rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes(), path


def test_a_dry_run_asks_the_hub_nothing_and_needs_no_token(
    app: FastAPI, api: TestClient, job_id: str, hub: Hub, secret: Path
) -> None:
    secret.write_text("")
    view = export(app, api, job_id, dry_run=True, public=True, **TARGET)
    assert (view["state"], view["repository"], view["public"]) == ("finished", "me/child", True)
    assert view["commit"] is None
    assert {"model.safetensors", "README.md"} <= {file["path"] for file in view["files"]}
    refused = api.post(f"/v1/jobs/{job_id}/exports", json=TARGET)
    assert refused.status_code == 400
    assert "CUVEE_HUB_TOKEN_FILE" in refused.json()["detail"]
    assert hub.requests == []


def test_each_owner_uploads_with_a_token_of_their_own(
    app: FastAPI, api: TestClient, spec: Spec, hub: Hub
) -> None:
    hub.tokens = {"hf_anns", TOKEN}
    api.headers.update(bearer(app, "ann", "jobs:read", "jobs:write", "export"))
    job_id = finished_job(app, api, spec)
    # The operator's token is there, and it is not for ann.
    refused = api.post(f"/v1/jobs/{job_id}/exports", json=TARGET)
    assert refused.status_code == 400
    assert "cuvee hub-token set" in refused.json()["detail"]
    assert api.put("/v1/hub-credential", json={"token": "hf_anns"}).status_code == 200
    hub.tokens = {"hf_anns"}
    done = ended(api, job_id, export(app, api, job_id, **TARGET)["id"])
    assert done["state"] == "finished", done["reason"]
    # An administrator may export the job, and not with what is ann's.
    api.headers.update(bearer(app, "root", "admin"))
    assert api.post(f"/v1/jobs/{job_id}/exports", json=TARGET).status_code == 400
    api.put("/v1/hub-credential", json={"token": "hf_roots"})
    mine = ended(api, job_id, export(app, api, job_id, **TARGET)["id"])
    assert mine["state"] == "failed"
    assert "401" in mine["reason"]
    assert "hf_" not in mine["reason"]
    assert len(hub.repositories["me/child"].commits) == 2
