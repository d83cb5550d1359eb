"""Models of the hub as parents: pinned, looked at, fetched by the real library, and evicted."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from huggingface_hub import constants

from merging.checkpoint import content_digest
from merging.references import download_place
from service.app import create_app
from service.errors import Invalid
from service.events import repository as events
from service.jobs.admission import admit
from service.settings import Settings
from service.sources import cache, fetcher
from service.sources import hub as source
from service.sources.cache import NoRoom
from service.sources.hub import HubAway, SourceError
from service.tables import Event
from tests.faults.instant_workers import InstantWorkers
from tests.hub_server import hub_server, point_at
from tests.hub_state import TOKEN, Fault, Hub
from tests.merging.conftest import write_model
from tests.merging.test_gguf_files import write_gguf
from tests.service.conftest import Spec
from tests.tiny import write_llama
from tests.waiting import until

NAME = "org/right"
WEIGHTS = "model.safetensors"
CHUNK = 1000
Submit = Callable[[str], Any]


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llama(tmp_path_factory.mktemp("remote") / "right", 5)


@pytest.fixture(autouse=True)
def hub(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with one public model, beside which lies what no model folder needs."""
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", "/nowhere")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", CHUNK)
    monkeypatch.setattr(fetcher, "PAUSES", (0.0, 0.0, 0.0))
    with hub_server() as serving:
        point_at(serving, tmp_path / "nobody's", monkeypatch)
        others = {"pytorch_model.bin": b"pickle", "modeling.py": b"code", "other.safetensors": b"?"}
        serving.add(NAME, files_of(model) | others)
        yield serving


@pytest.fixture
def settings(models_dir: Path, tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", models_dir=models_dir, workers=2, local=True)


@pytest.fixture
def api(settings: Settings) -> Iterator[TestClient]:
    """The whole service, with workers that answer at once."""
    app = create_app(settings, partial(InstantWorkers, 2, 0.0))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture
def submit(api: TestClient, spec: Spec) -> Submit:
    """Submit a job with another model on the right."""

    spec["stages"][0]["budget"] = {"trials": 4}
    spec["baselines"] = {"averages": False, "grid_step": None}

    def submitted(ref: str) -> Any:
        spec["models"]["right"]["ref"] = ref
        return api.post("/v1/jobs", json=spec)

    return submitted


def wait(api: TestClient, job_id: str, state: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while (job := api.get(f"/v1/jobs/{job_id}").json())["state"] != state:
        assert job["state"] != "failed", job["reason"]
        assert time.monotonic() < deadline, job
        time.sleep(0.05)
    found: dict[str, Any] = job
    return found


def events_of(api: TestClient, job_id: str) -> list[Event]:
    app: Any = api.app
    with app.state.database.snapshot() as session:
        return list(events.after(session, 0, job_id))


def pinned(name: str = NAME) -> source.Pinned:
    return source.pin(name, "main", None)


def test_a_job_names_a_repository_and_runs_once_it_is_here(
    hub: Hub, api: TestClient, submit: Submit, settings: Settings, model: Path
) -> None:
    answer = submit(f"{NAME}@main")
    assert answer.status_code == 201, answer.text
    job, commit = answer.json(), hub.repositories[NAME].head.oid
    assert job["spec"]["models"]["right"]["ref"] == f"{NAME}@{commit}"
    assert (job["phase"], job["fetch"]["step"]) == ("fetch", "fetching")
    assert set(job["model_digests"]) == {"base", "left"}
    # What main means later is another matter.
    hub.repositories[NAME].commit("worse", {"config.json": b"{}"})
    done = wait(api, job["id"], "finished")
    assert done["fetch"] is None
    assert done["model_digests"]["right"] == content_digest(model)
    folder = download_place(settings.downloads_dir, NAME, commit)
    assert {path.name for path in folder.iterdir()} == set(files_of(model))
    told = [event.data for event in events_of(api, job["id"]) if event.kind == "job.fetch"]
    assert [one["step"] for one in told] == ["fetching", "converting", "reading"]
    assert told[-1]["done"] == told[-1]["size"] == sum(map(len, files_of(model).values()))
    # Again: nothing is fetched twice, but the hub is asked whether one may.
    before = hub.count("GET", f"/{WEIGHTS}")
    again = submit(f"{NAME}@{commit}").json()
    assert again["phase"] != "fetch"
    assert hub.count("GET", f"/{WEIGHTS}") == before


def test_every_reference_that_is_wrong_is_named_before_anything_is_fetched(
    hub: Hub, submit: Submit, model: Path, settings: Settings
) -> None:
    hub.add("org/pickled", files_of(model) | {WEIGHTS: b""})
    del hub.repositories["org/pickled"].head.files[WEIGHTS]
    hub.add("org/cut", files_of(model) | {WEIGHTS: b"short"})
    hub.add("org/private", files_of(model), readers=set())
    wide = write_llama(settings.data_dir.parent / "wide", 7, hidden=48)
    hub.add("org/wide", files_of(wide))
    for ref, told in {
        "org/none@main": "there is no such repository, or it is private",
        "org/private@main": "there is no such repository, or it is private",
        f"{NAME}@v2": "there is no such revision",
        "org/pickled@main": "holds no config.json with safetensors weights",
        "org/cut@main": "safetensors",
        NAME: "one of a repository is written org/name@revision",
        "org/../right@main": "there is no model",
    }.items():
        (error,) = submit(ref).json()["errors"]
        assert error["field"] == "models.right.ref"
        assert told in error["message"], error
    (error,) = submit("org/wide@main").json()["errors"]
    assert error["field"] == "stages.0.space"
    hub.faults = [Fault("GET", "/api/models/", 503, times=99)]
    (error,) = submit(f"{NAME}@main").json()["errors"]
    assert "could not be had from the hub" in error["message"]
    assert not list(settings.downloads_dir.glob("*/*.part"))


def test_an_owners_token_opens_what_is_private_and_nobody_elses(
    hub: Hub, model: Path, settings: Settings
) -> None:
    hub.add("org/private", files_of(model), readers={TOKEN})
    hub.tokens.add("another")
    mine = source.pin("org/private", "main", TOKEN)
    folder = cache.fetch(settings.downloads_dir, mine, TOKEN, lambda _: None)
    assert files_of(folder) == files_of(model)
    for token in (None, "another"):
        with pytest.raises(SourceError, match="no such repository, or it is private"):
            source.pin("org/private", "main", token)


@pytest.mark.parametrize("before", [0, 5000])
def test_a_download_that_is_cut_goes_on_where_it_was(
    before: int, hub: Hub, model: Path, tmp_path: Path
) -> None:
    one = pinned()
    (file,) = source.without_others(one, tmp_path).weights()
    content = (model / WEIGHTS).read_bytes()
    # What a process that was killed has left.
    (tmp_path / f"{WEIGHTS}.part").write_bytes(content[:before])
    hub.faults = [Fault("GET", f"/{WEIGHTS}", "short")]
    grown: list[int] = []
    source.fetch(one, file, tmp_path, None, grown.append)
    # What came of the last chunk is lost.
    half = before + (len(content) - before) // 2 // CHUNK * CHUNK
    assert hub.ranges == [(WEIGHTS, at) for at in (before, half) if at]
    assert sum(grown) == file.size
    assert files_of(tmp_path) == {WEIGHTS: content}


def test_a_file_that_arrives_damaged_is_fetched_again(model: Path, tmp_path: Path) -> None:
    one = pinned()
    (file,) = source.without_others(one, tmp_path).weights()
    (tmp_path / f"{WEIGHTS}.part").write_bytes(b"\0" * 5000)
    with pytest.raises(HubAway, match="arrived damaged"):
        source.fetch(one, file, tmp_path, None)
    source.fetch(one, file, tmp_path, None)
    assert files_of(tmp_path) == {WEIGHTS: (model / WEIGHTS).read_bytes()}


def test_the_least_recently_used_makes_room_unless_a_job_needs_it(
    hub: Hub, model: Path, tmp_path: Path
) -> None:
    names = ["org/a", "org/b", "org/c"]
    for name in names:
        hub.add(name, files_of(model))
    models = [pinned(name) for name in names]
    a, b, c = models
    for age, one in ((300, b), (200, a)):
        os.utime(cache.fetch(tmp_path, one, None, lambda _: None), (0, time.time() - age))
    budget = 2 * c.size + 500
    ids = [(one.repository, one.commit) for one in models]
    with pytest.raises(NoRoom, match="short of room"):
        cache.make_room(tmp_path, [c], budget, ids)
    assert cache.has(tmp_path, *ids[0])
    assert cache.has(tmp_path, *ids[1])
    cache.make_room(tmp_path, [c], budget, ids[2:])
    assert [cache.has(tmp_path, *one) for one in ids] == [True, False, False]
    cache.make_room(tmp_path, [c], budget, [ids[2]])
    assert cache.has(tmp_path, *ids[0])


def test_models_that_no_budget_holds_are_refused(
    settings: Settings, spec: Spec, model: Path
) -> None:
    spec["models"]["right"]["ref"] = f"{NAME}@main"
    for gigabytes, told in ((1e-5, "there is room for 10000"), (0, "is not in the local")):
        small = settings.model_copy(update={"download_gigabytes": gigabytes})
        with pytest.raises(Invalid, match=told):
            admit(json.dumps(spec), small)
    size = sum(map(len, files_of(model).values()))
    with pytest.raises(Invalid, match=f"have {size} bytes"):
        admit(json.dumps(spec), settings.model_copy(update={"download_gigabytes": 1e-5}))


def test_a_job_that_waits_for_its_models_can_rest_and_be_cancelled(
    api: TestClient, submit: Submit, settings: Settings
) -> None:
    with cache.alone(settings.downloads_dir):
        job = submit(f"{NAME}@main").json()
        assert api.post(f"/v1/jobs/{job['id']}/pause").json()["state"] == "paused"
        other = submit(f"{NAME}@main").json()
        assert api.post(f"/v1/jobs/{other['id']}/cancel").status_code == 202
        wait(api, other["id"], "cancelled")
    assert api.post(f"/v1/jobs/{job['id']}/resume").json()["state"] == "queued"
    wait(api, job["id"], "finished")


def test_a_hub_that_lets_nobody_in_any_more_fails_the_job(
    hub: Hub, api: TestClient, submit: Submit, settings: Settings
) -> None:
    with cache.alone(settings.downloads_dir):
        job = submit(f"{NAME}@main").json()
        hub.repositories[NAME].private, hub.repositories[NAME].readers = True, set()
    path = f"/v1/jobs/{job['id']}"
    until(lambda: api.get(path).json()["state"] != "queued", 60)
    seen = api.get(path).json()
    assert seen["state"] == "failed"
    assert "there is no such repository, or it is private" in seen["reason"]


def test_an_export_brings_evicted_models_back(
    api: TestClient, submit: Submit, settings: Settings
) -> None:
    job = submit(f"{NAME}@main").json()
    wait(api, job["id"], "finished")
    shutil.rmtree(settings.downloads_dir)
    export = api.post(f"/v1/jobs/{job['id']}/exports", json={}).json()
    path = f"/v1/jobs/{job['id']}/exports/{export['id']}"
    until(lambda: api.get(path).json()["state"] != "queued", 60)
    export = api.get(path).json()
    assert export["state"] == "finished", export["reason"]
    assert (Path(export["folder"]) / WEIGHTS).is_file()
    assert api.post(f"/v1/jobs/{job['id']}/extend", json={"trials": 4}).status_code == 202
    wait(api, job["id"], "finished")


def test_gguf_files_are_converted_while_the_job_waits(
    spec: Spec, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "models").mkdir()
    for seed, name in enumerate(spec["models"]):
        write_gguf(tmp_path / "models" / f"{name}.gguf", write_model(tmp_path / name, seed))
        spec["models"][name]["ref"] = f"{name}.gguf"
    spec["stages"][0]["budget"] = {"trials": 4}
    there = settings.model_copy(update={"models_dir": tmp_path / "models"})
    app = create_app(there, partial(InstantWorkers, 2, 0.0))
    kept = tmp_path / "cache" / "cuvee" / "gguf"
    with TestClient(app, base_url="http://127.0.0.1") as api:
        with cache.alone(settings.downloads_dir):
            answer = api.post("/v1/jobs", json=spec)
            assert answer.json()["phase"] == "fetch", answer.text
            assert answer.json()["model_digests"] == {}
            assert {path.suffix for path in kept.iterdir() if path.is_dir()} == {".described"}
        done = wait(api, answer.json()["id"], "finished")
    digests = [content_digest(tmp_path / "models" / f"{name}.gguf") for name in spec["models"]]
    assert list(done["model_digests"].values()) == digests
