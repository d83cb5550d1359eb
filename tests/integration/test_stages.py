"""Jobs of more than the plain kind: two stages, two tasks, nothing that can be built."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from merging.export import write_checkpoint
from merging.recipe import Recipe
from service.client import Client
from tests.running import RunningService, finish, wait_for_end
from tests.tiny import write_llama
from tests.trial_log import trial_log
from tests.zoo_spec import write_spec, zoo_spec

_ALONE = {"averages": False, "grid_step": None}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("base", "maths", "ja")):
        write_llama(folder / "zoo" / name, seed, layers=4)
    write_llama(folder / "zoo" / "broken", 3, layers=4)
    weights = folder / "zoo" / "broken" / "model.safetensors"
    tensors = load_file(weights)
    tensors["model.norm.weight"] = torch.full_like(tensors["model.norm.weight"], torch.nan)
    save_file(tensors, weights, metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[RunningService]:
    data = tmp_path_factory.mktemp("stages") / "data"
    with RunningService(data, models=models) as running:
        yield running


@pytest.fixture(scope="module")
def client(service: RunningService) -> Iterator[Client]:
    with service.client() as client:
        yield client


def test_two_stages_number_their_trials_without_a_gap(
    service: RunningService, client: Client, tmp_path: Path
) -> None:
    spec = zoo_spec(trials=5, name="stages", baselines=_ALONE)
    second = zoo_spec(trials=7, sampler="random")["stages"][0]
    second["name"] = "again"
    second["space"] |= {"method": "dare_ties", "layer_groups": 2, "module_groups": ["self_attn"]}
    spec["stages"].append(second)
    spec["tasks"].append({"task": "word_problems_en", "weight": 2.0})
    job = finish(client, write_spec(tmp_path, spec))
    log = trial_log(service.data, job.id)
    assert [trial["number"] for trial in log] == list(range(12))
    assert [trial["stage"] for trial in log] == ["weights"] * 5 + ["again"] * 7
    assert [trial["generation"] for trial in log] == [0, *[1] * 4, 0, *[1] * 5, 2]
    assert all(trial["recipe"]["merge_method"] == "dare_ties" for trial in log[5:])
    assert all(trial["items"].keys() == {"word_problems_ja", "word_problems_en"} for trial in log)


def test_a_job_whose_every_trial_fails_fails_with_a_reason(client: Client, tmp_path: Path) -> None:
    spec = zoo_spec(trials=6, name="broken", baselines=_ALONE)
    spec["models"]["ja"]["ref"] = "zoo/broken"
    job = wait_for_end(client, client.submit(write_spec(tmp_path, spec)).id)
    assert job.state == "failed"
    assert job.reason is not None
    assert "every trial failed" in job.reason
    assert job.trials_failed == 6
    (parent,) = [
        entry
        for entry in client.evaluations(job.id, split="search", kind="parent")
        if entry.label == "ja"
    ]
    assert parent.reason is not None
    assert "model.norm.weight" in parent.reason


def test_statistics_that_cannot_be_computed_end_the_job(client: Client, tmp_path: Path) -> None:
    spec = zoo_spec(trials=6, name="unprepared", baselines=_ALONE)
    spec["models"]["ja"]["ref"] = "zoo/broken"
    spec["stages"][0]["space"] |= {"method": "fisher", "calibration": {"items": 2}}
    del spec["stages"][0]["space"]["base"]
    job = wait_for_end(client, client.submit(write_spec(tmp_path, spec)).id)
    assert job.state == "failed"
    assert job.reason is not None
    assert "no statistics of 'zoo/broken' for 'fisher'" in job.reason
    assert "model.norm.weight" in job.reason
    assert job.trials_finished + job.trials_failed == 0


def test_a_stage_builds_on_the_best_of_the_one_before(
    service: RunningService, client: Client, models: Path, tmp_path: Path
) -> None:
    """Parameter space, then data-flow space over its best, then paths over the best path."""
    spec = zoo_spec(trials=4, sampler="random", name="built", baselines=_ALONE)
    for name, parents in (("layers", ["weights.best", "ja"]), ("again", ["layers.best"])):
        spec["stages"].append(
            {
                "name": name,
                "space": {"kind": "dataflow", "parents": parents, "scales": False},
                "sampler": {"kind": "random", "batch": 2},
                "budget": {"items": 90, "patience": 500},
            }
        )
    job = finish(client, write_spec(tmp_path, spec))
    # 24 items a trial: the limit falls into the second generation of two, or, where a first one of
    # one trial by hand comes before, the third.
    assert [(stage.trials, stage.ended_by) for stage in job.stages] == [
        (4, "trials"),
        (4, "items"),
        (5, "items"),
    ]
    log = trial_log(service.data, job.id)
    best = {}
    for name in ("weights", "layers"):
        mine = [trial for trial in log if trial["stage"] == name]
        best[name] = max(mine, key=lambda trial: (trial["fitness"], -trial["number"]))["digest"]
    last = Recipe.model_validate(log[-1]["recipe"])
    assert last.model_names() == (f"recipe:{best['layers']}",)
    # What leaves stands alone, and its steps make the child that was scored.
    exported = Path(client.export(job.id, log[-1]["number"]).folder)
    text = (exported / "recipe.yaml").read_text()
    url = f"{client.address}/v1/jobs/{job.id}/trials/{log[-1]['number']}/recipe.yaml"
    assert httpx.get(url).text == text
    folders = {f"zoo/{name}": models / "zoo" / name for name in ("base", "maths", "ja")}
    made: dict[str, Path] = {}
    for document in yaml.safe_load_all(text):
        name = document.pop("name", "child")
        recipe = Recipe.parse(document)
        write_checkpoint(recipe, {**folders, **made}, tmp_path / name)
        made[name] = tmp_path / name
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (exported, made["child"]))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
