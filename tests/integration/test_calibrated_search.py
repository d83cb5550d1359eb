"""Searches with data-driven methods over the bundled parents, through the real service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from merging.recipe import Recipe
from service.client import ApiError
from tests.running import RunningService, wait_for_end, wait_for_trials
from tests.trial_log import trial_log
from tests.zoo_spec import write_spec, zoo_spec

_ALONE = {"averages": False, "grid_step": None}
_FISHER = {"method": "fisher", "base": None}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    with RunningService(tmp_path / "data") as running:
        yield running


def spec_of(space: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A small search; a space's keys that are None are left out."""
    spec = zoo_spec(**({"baselines": _ALONE} | more))
    changed = spec["stages"][0]["space"] | {"calibration": {"items": 4}} | space
    spec["stages"][0]["space"] = {key: value for key, value in changed.items() if value is not None}
    return spec


def statistics(service: RunningService, kind: str) -> dict[str, int]:
    """The files there are, and when each was written."""
    found = (service.data / "statistics").glob(f"{kind}-*.safetensors")
    return {path.name: path.stat().st_mtime_ns for path in found}


def test_statistics_are_computed_once_whatever_happens_to_the_service(
    service: RunningService, tmp_path: Path
) -> None:
    spec = write_spec(tmp_path, spec_of(_FISHER, trials=18, name="fisher"))
    with service.client() as client:
        job_id = client.submit(spec).id
        wait_for_trials(client, job_id, 3)
    written = statistics(service, "fisher")
    # Two parents and nothing else: the base takes no part.
    assert len(written) == 2
    service.kill()
    service.start()
    with service.client() as client:
        killed = wait_for_end(client, job_id)
        assert killed.state == "finished", killed.reason
        assert killed.trials_finished == 18
        again = wait_for_end(client, client.submit(spec).id)
        assert again.state == "finished", again.reason
        folder = Path(client.export(again.id).folder)
    assert statistics(service, "fisher") == written
    # The same search from the same statistics is the same search.
    assert trial_log(service.data, job_id) == trial_log(service.data, again.id)
    log = trial_log(service.data, job_id)
    assert len({trial["fitness"] for trial in log}) > 1
    assert Recipe.from_yaml((folder / "recipe.yaml").read_text()).merge_method == "fisher"
    assert (folder / "model.safetensors").is_file()


def test_a_start_moves_the_first_genes_and_survives_a_restart(
    service: RunningService, tmp_path: Path
) -> None:
    plain = spec_of({"calibration": None}, trials=6, name="plain")
    # Enough steps to be seen; a spec sets none, so all five hundred are done.
    started = spec_of({"start": "adamerging", "layer_groups": 1}, trials=12, name="started")
    plain["stages"][0]["space"]["layer_groups"] = 1
    with service.client() as client:
        job_id = client.submit(write_spec(tmp_path, started)).id
        wait_for_trials(client, job_id, 7)
    service.kill()
    service.start()
    with service.client() as client:
        assert wait_for_end(client, job_id).state == "finished"
        plain_id = client.submit(write_spec(tmp_path, plain)).id
        assert wait_for_end(client, plain_id).state == "finished"
    assert len(statistics(service, "adamerging")) == 1
    log, other = trial_log(service.data, job_id), trial_log(service.data, plain_id)
    assert [trial["number"] for trial in log] == list(range(12))
    assert log[0]["genome"] != other[0]["genome"]
    assert all(trial["recipe"]["merge_method"] == "task_arithmetic" for trial in log)
    # A replay that met other genomes than the log's says so.
    assert "replay_diverged" not in service.log


def test_a_calibration_without_texts_is_refused_at_submission(tmp_path: Path) -> None:
    tasks = tmp_path / "tasks"
    tasks.mkdir()
    line = '{"id": "q", "prompt": "one ?", "answer": "1", "split": "holdout"}'
    (tasks / "late.jsonl").write_text(line)
    calibration = {"task": "jsonl:late"}
    spec = write_spec(tmp_path, spec_of(_FISHER | {"calibration": calibration}, trials=3))
    with (
        RunningService(tmp_path / "data", tasks=tasks) as service,
        service.client() as client,
        pytest.raises(ApiError, match=r"calibration\.task: .*no item is left for the search split"),
    ):
        client.submit(spec)


def test_an_unknown_task_to_look_at_is_refused_at_once(
    service: RunningService, tmp_path: Path
) -> None:
    calibration = {"task": "jsonl:none", "parents": {"ja": "lm_eval:neither"}}
    spec = write_spec(tmp_path, spec_of(_FISHER | {"calibration": calibration}))
    with service.client() as client, pytest.raises(ApiError) as caught:
        client.submit(spec)
    text = str(caught.value)
    assert "stages.0.space.calibration.task" in text
    assert "stages.0.space.calibration.parents.ja" in text
