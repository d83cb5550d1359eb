"""What must not stop the service: bad exports, changed parents, empty splits."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.client import ApiError, Client
from tests.running import RunningService, finish, wait_for_end, wait_for_trials
from tests.tiny import write_llama
from tests.zoo_spec import write_spec, zoo_spec

_ALONE = {"averages": False, "grid_step": None}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("base", "maths", "ja")):
        write_llama(folder / "zoo" / name, seed, layers=4)
    return folder


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks")
    lines = [
        json.dumps({"id": f"q{n}", "prompt": f"one and {n} is ?", "answer": n, "split": "search"})
        for n in range(6)
    ]
    (folder / "uneven.jsonl").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, models: Path, tasks: Path
) -> Iterator[RunningService]:
    data = tmp_path_factory.mktemp("controller") / "data"
    with RunningService(data, models=models, tasks=tasks) as running:
        yield running


@pytest.fixture(scope="module")
def client(service: RunningService) -> Iterator[Client]:
    with service.client() as client:
        yield client


def test_a_task_without_items_to_select_on_ends_its_job_only(
    client: Client, tmp_path: Path
) -> None:
    spec = zoo_spec(trials=3, name="uneven", baselines=_ALONE)
    spec["tasks"] = [{"task": "jsonl:uneven"}]
    job = wait_for_end(client, client.submit(write_spec(tmp_path, spec)).id)
    assert job.state == "failed"
    assert job.reason is not None
    assert "no item in its select split" in job.reason


def test_a_job_that_rested_twice_ends_with_the_history_of_an_undisturbed_one(
    client: Client, tmp_path: Path
) -> None:
    spec = write_spec(tmp_path, zoo_spec(trials=18, name="rests", baselines=_ALONE))
    undisturbed = wait_for_end(client, client.submit(spec).id)
    job_id = client.submit(spec).id
    for count, at_once in ((3, True), (9, False)):
        wait_for_trials(client, job_id, count)
        client.pause(job_id, now=at_once)
        while (resting := client.job(job_id)).state == "pausing":
            time.sleep(0.05)
        assert resting.state == "paused"
        assert resting.trials_finished < 18
        client.resume(job_id)
    ended = wait_for_end(client, job_id)
    assert ended.state == "finished", ended.reason
    histories = [
        [(one.genome, one.fitness) for one in client.trials(job.id)] for job in (undisturbed, ended)
    ]
    assert histories[0] == histories[1]
    assert ended.winner == undisturbed.winner
    client.delete(job_id)
    assert job_id not in {job.id for job in client.jobs()}


def test_an_export_whose_parent_changed_fails_alone(
    client: Client, models: Path, tmp_path: Path
) -> None:
    spec = zoo_spec(trials=3, name="changed", baselines=_ALONE)
    first = finish(client, write_spec(tmp_path, spec))
    # Other weights of the same shape, put in place while the workers hold the old ones.
    write_llama(tmp_path / "other", 77, layers=4)
    (tmp_path / "other" / "model.safetensors").replace(models / "zoo" / "ja" / "model.safetensors")
    with pytest.raises(ApiError, match="no longer what it was"):
        client.export(first.id)
    second = finish(client, write_spec(tmp_path, spec))
    assert second.model_digests["ja"] != first.model_digests["ja"]
    assert Path(client.export(second.id).folder).is_dir()
