"""A child published by the service and the command line, through a kill in the middle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from huggingface_hub import ModelCard, ModelCardData
from typer.testing import CliRunner

from service.app import create_app
from service.cli import app as cuvee
from service.settings import Settings
from tests.hub_server import hub_server
from tests.hub_state import TOKEN, Fault, Hub
from tests.running import REPOSITORY, RunningService
from tests.service.exported import finished_job
from tests.zoo_spec import zoo_spec

NAME = "me/japanese-maths"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with hub_server() as serving:
        yield serving


@pytest.fixture
def service(hub: Hub, tmp_path: Path) -> RunningService:
    secret = tmp_path / "token"
    secret.write_text(TOKEN)
    return RunningService(
        tmp_path / "data",
        workers=1,
        environment={
            "CUVEE_HUB_TOKEN_FILE": str(secret),
            "HF_ENDPOINT": hub.address,
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
        },
    )


@pytest.fixture
def job_id(service: RunningService) -> str:
    """A finished job over the zoo in the service's data folder, whose search took no time."""
    settings = Settings(data_dir=service.data, models_dir=REPOSITORY, workers=0, local=True)
    app = create_app(settings)
    with TestClient(app, base_url="http://127.0.0.1") as api:
        return finished_job(app, api, zoo_spec(trials=12))


@pytest.mark.long
def test_an_upload_refused_and_then_killed_leaves_one_commit_after_all(
    hub: Hub, service: RunningService, job_id: str
) -> None:
    hub.faults = [Fault("PUT", "/store/", "hold")]
    parents = [f"--parent={name}=me/{name}" for name in ("maths", "ja", "base")]
    arguments = ["export", job_id, "--to", f"hub:{NAME}", *parents]
    runner = CliRunner()
    with service, service.client() as client:
        plan = runner.invoke(cuvee, [*arguments, "--dry-run", "--url", client.address])
        assert plan.exit_code == 0, plan.output
        assert "private if it is new" in plan.output
        assert "model.safetensors" in plan.output
        assert hub.requests == []
        hub.tokens = {"a newer one"}
        refused = runner.invoke(cuvee, [*arguments, "--url", client.address])
        assert refused.exit_code == 1
        assert "401" in refused.output
        assert TOKEN not in refused.output
        assert hub.repositories == {}
        hub.tokens = {TOKEN}
        body = {"target": f"hub:{NAME}", "parents": {n: f"me/{n}" for n in ("maths", "ja", "base")}}
        answer = client._call("POST", f"/v1/jobs/{job_id}/exports", json=body).json()
        assert hub.held.wait(timeout=60)
        service.kill()
        assert len(hub.repositories[NAME].commits) == 1
        service.start()
        with service.client() as again:
            done = runner.invoke(cuvee, [*arguments, "--url", again.address])
            assert done.exit_code == 0, done.output
            view = again._call("GET", f"/v1/jobs/{job_id}/exports/{answer['id']}").json()
    repository = hub.repositories[NAME]
    assert view["state"] == "finished"
    assert view["uploaded"] == view["size"] == sum(file["size"] for file in view["files"])
    assert view["commit"] == f"{hub.address}/{NAME}/commit/{repository.head.oid}"
    assert [commit.message for commit in repository.commits] == [
        "initial commit",
        f"Trial {view['trial']} of small, by Cuvee",
    ]
    assert repository.private
    card = ModelCard(repository.head.files["README.md"].decode()).data
    assert isinstance(card, ModelCardData)
    assert card.license == "apache-2.0"
    assert card.base_model == ["me/base", "me/maths", "me/ja"]
    for path in service.data.rglob("*"):
        if path.is_file():
            assert TOKEN.encode() not in path.read_bytes(), path
    assert TOKEN not in json.dumps(view)
