"""A service that is killed in the middle of a download goes on with it where it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.hub_server import hub_server
from tests.hub_state import Fault
from tests.running import RunningService, wait_for_end
from tests.tiny import write_llama
from tests.waiting import until

WEIGHTS = "model.safetensors"


@pytest.mark.long
def test_a_killed_download_goes_on_where_it_was(tmp_path: Path) -> None:
    models = [
        write_llama(tmp_path / "models" / name, seed, hidden=512)
        for seed, name in enumerate(("tiny/base", "tiny/left", "right"))
    ]
    files = {path.name: path.read_bytes() for path in models[-1].iterdir()}
    # Of a smaller one the library would have written nothing yet.
    assert len(files[WEIGHTS]) > 20 * 2**20
    (models[-1] / "config.json").unlink()
    space = {"kind": "parameter", "method": "linear", "parents": ["left", "right"]}
    refs = {"base": "tiny/base", "left": "tiny/left", "right": "org/right@main"}
    spec = tmp_path / "spec.json"
    data = {
        "name": "killed",
        "models": {alias: {"ref": ref} for alias, ref in refs.items()},
        "tasks": [{"task": "word_problems_ja"}],
        "stages": [{"name": "weights", "space": space, "budget": {"trials": 4}}],
    }
    spec.write_text(json.dumps(data))
    with hub_server() as hub:
        hub.add("org/right", files)
        service = RunningService(
            tmp_path / "data",
            models=tmp_path / "models",
            module="tests.faults.instant_service",
            environment={
                "HF_ENDPOINT": hub.address,
                "HF_HUB_OFFLINE": "0",
                "HF_HUB_CACHE": str(tmp_path / "nobody"),
            },
        )
        with service:
            with service.client() as client:
                # The headers are read before that: a part of the file.
                client.validate(spec)
                hub.faults = [Fault("GET", f"/{WEIGHTS}", "stall")]
                job = client.submit(spec)
                assert hub.held.wait(timeout=60)
                # Of what was sent, the library has written something once it has read enough.
                parts = service.data.rglob
                until(lambda: any(part.stat().st_size for part in parts(f"{WEIGHTS}.part")))
            service.kill()
            hub.released.set()
            service.start()
            with service.client() as client:
                done = wait_for_end(client, job.id)
        assert done.state == "finished", done.reason
        name, start = hub.ranges[-1]
        assert name == WEIGHTS
        assert 0 < start <= len(files[WEIGHTS]) // 2
