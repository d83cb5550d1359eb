"""Searches with data-driven methods over the bundled parents, through the real service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from merging.checkpoint import inspect_checkpoint
from merging.recipe import Recipe
from search.sampler_choice import chosen_sampler
from search.samplers import make_sampler
from search.spaces import make_space
from search.spec import SearchSpec
from service.client import ApiError
from service.models import shapes
from tests.running import REPOSITORY, RunningService, wait_for_end, wait_for_trials
from tests.trial_log import trial_log
from tests.zoo_spec import write_few, write_spec, zoo_spec

TRIALS = 12


def spec_of(name: str, **space: Any) -> dict[str, Any]:
    """A small search; a space's keys that are None are left out."""
    spec = zoo_spec(
        trials=TRIALS,
        name=name,
        baselines={"averages": False, "grid_step": None},
        tasks=[{"task": "jsonl:few"}],
    )
    changed = spec["stages"][0]["space"] | {"layer_groups": 1, "calibration": {"items": 4}} | space
    spec["stages"][0]["space"] = {key: value for key, value in changed.items() if value is not None}
    # The first genomes are then the sampler's own, which show where it starts.
    spec["stages"][0]["seeds"] = "none"
    return spec


def write_tasks(folder: Path) -> Path:
    """Few word problems, and a task without any to search on."""
    late = {"id": "q", "prompt": "one ?", "answer": 1, "split": "holdout"}
    (write_few(folder) / "late.jsonl").write_text(json.dumps(late))
    return folder


def statistics(service: RunningService, kind: str) -> dict[Path, int]:
    """The files there are, and when each was written."""
    found = (service.data / "statistics").glob(f"{kind}-*.safetensors")
    return {path: path.stat().st_mtime_ns for path in found}


def first_genomes(spec: SearchSpec, start: dict[str, list[float]] | None) -> list[list[float]]:
    """The first generation of a spec's only stage."""
    (stage,) = spec.stages
    infos = {
        alias: inspect_checkpoint(REPOSITORY / model.ref) for alias, model in spec.models.items()
    }
    space = make_space(spec, stage, shapes(infos), start)
    sampler = make_sampler(chosen_sampler(stage, space.genes), space.genes, spec.seed)
    return [list(genome) for genome in sampler.ask(sampler.batch)]


@pytest.mark.long
def test_statistics_are_computed_once_whatever_happens_to_the_service(tmp_path: Path) -> None:
    fisher = write_spec(tmp_path, spec_of("fisher", method="fisher", base=None))
    started = write_spec(tmp_path, spec_of("started", start="adamerging"))
    with RunningService(tmp_path / "data", tasks=write_tasks(tmp_path / "tasks")) as service:
        with service.client() as client:
            first = client.submit(fisher).id
            second = client.submit(started).id
            for job_id in (first, second):
                wait_for_trials(client, job_id, 2)
        written = {kind: statistics(service, kind) for kind in ("fisher", "adamerging")}
        service.kill()
        service.start()
        with service.client() as client:
            again = client.submit(fisher).id
            for job_id in (first, second, again):
                ended = wait_for_end(client, job_id)
                assert ended.state == "finished", ended.reason
                assert ended.trials_finished == TRIALS
            folder = Path(client.export(first).folder)
            late = spec_of("late", method="fisher", base=None, calibration={"task": "jsonl:late"})
            with pytest.raises(ApiError, match=r"calibration\.task: .*no item is left for the"):
                client.submit(write_spec(tmp_path, late))
        # One a parent, for the base takes no part; and one of all of them.
        assert [len(written[kind]) for kind in ("fisher", "adamerging")] == [2, 1]
        assert {kind: statistics(service, kind) for kind in written} == written
        assert "replay_diverged" not in service.log

    log = trial_log(service.data, first)
    assert log == trial_log(service.data, again)
    assert len({trial["fitness"] for trial in log}) > 1
    assert Recipe.from_yaml((folder / "recipe.yaml").read_text()).merge_method == "fisher"

    spec = SearchSpec.from_yaml(started.read_text())
    (path,) = written["adamerging"]
    numbers = {name: tensor.tolist() for name, tensor in load_file(path).items()}
    log = trial_log(service.data, second)
    genomes = [trial["genome"] for trial in log if trial["generation"] == 0]
    assert genomes == first_genomes(spec, numbers)
    assert genomes != first_genomes(spec, None)
    assert all(trial["recipe"]["merge_method"] == "task_arithmetic" for trial in log)
