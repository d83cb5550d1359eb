"""Recipes of others become searches whose first trial is the recipe's own child."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from fastapi import FastAPI
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from merging.checkpoint import inspect_checkpoint
from merging.engine import MergeEngine
from merging.errors import RecipeError
from merging.recipe import Recipe
from search.seeds import first_trials
from search.space import ParameterSpace
from search.spaces import make_space
from search.spec import SearchSpec, check_spec
from service.cli import app as cuvee
from service.imports.sources import parse_steps, read_source
from service.imports.starting import starting_spec
from service.models import located, shapes
from tests.hub_server import hub_server, point_at
from tests.hub_state import TOKEN
from tests.service.exported import export, finished_job, folder_of

TASK = "word_problems_ja"
NAMES = ("tiny/base", "tiny/left", "tiny/right")
LAYERS = 3

TIES = """
models:
  - model: tiny/base
  - model: tiny/left
    parameters: {weight: 0.7, density: 0.5}
  - model: tiny/right
    parameters: {weight: [0.1, 0.9], density: 1}
merge_method: ties
base_model: tiny/base
parameters: {normalize: true, int8_mask: true}
dtype: float32
"""
SLERP = """
slices:
  - sources:
      - {model: tiny/left, layer_range: [0, 3]}
      - {model: tiny/right, layer_range: [0, 3]}
merge_method: slerp
base_model: tiny/left
parameters:
  t:
    - {filter: self_attn, value: [0, 0.5, 1]}
    - {filter: mlp, value: [1, 0.5, 0]}
    - {value: 0.25}
"""
LINEAR = """
models:
  - {model: tiny/left, parameters: {weight: 2}}
  - model: tiny/right
    parameters: {weight: [{filter: embed_tokens, value: 0.5}, {value: 1}]}
merge_method: linear
"""
DARE = """
models:
  - {model: tiny/left, parameters: {weight: 0.4}}
  - {model: tiny/right}
merge_method: dare_linear
base_model: tiny/base
parameters: {density: 0.6, random_seed: 9}
"""
_PATH = "slices: [{sources: [{model: tiny/left, layer_range: [0, 2]}]}]\nmerge_method: passthrough"


def imported(text: str, models_dir: Path, **options: Any) -> SearchSpec:
    steps = parse_steps(text)
    used = [one for recipe in steps.values() for one in recipe.model_names() if one not in steps]
    models = {name: inspect_checkpoint(models_dir / name) for name in used}
    references = {name: name for name in models}
    return starting_spec(steps, models, references, [TASK], **options)


def first_recipe(spec: SearchSpec, models_dir: Path) -> Recipe:
    known = shapes(located(spec, models_dir))
    assert check_spec(spec, known) == []
    stage = spec.stages[-1]
    space = make_space(spec, stage, known)
    assert isinstance(space, ParameterSpace)
    first = first_trials(space, stage.budget.trials, start=True)[0]
    assert first.label == "start"
    return space.decode(first.genome)


def tensors(recipe: Recipe, models_dir: Path) -> Mapping[str, torch.Tensor]:
    engine = MergeEngine({name: models_dir / name for name in NAMES})
    return {name: one.clone() for name, one in engine.merge(recipe).state_dict().items()}


@pytest.mark.parametrize("trials", [1, 60])
@pytest.mark.parametrize(
    "text", [TIES, SLERP, LINEAR, DARE], ids=["ties", "slerp", "linear", "dare"]
)
def test_the_first_trial_is_the_recipes_child(text: str, trials: int, models_dir: Path) -> None:
    spec = imported(text, models_dir, trials=trials)
    wanted = tensors(Recipe.from_yaml(text), models_dir)
    found = tensors(first_recipe(spec, models_dir), models_dir)
    for name, tensor in wanted.items():
        torch.testing.assert_close(found[name], tensor, msg=name, rtol=1e-5, atol=1e-6)
    assert spec.stages[-1].budget.trials == trials
    assert SearchSpec.from_yaml(spec.to_yaml()) == spec


def test_a_recipe_of_two_steps_is_evaluated_alone(
    app: FastAPI, api: TestClient, models_dir: Path
) -> None:
    text = f"name: first\n{DARE.strip()}\n---\n" + LINEAR.replace("tiny/left", "first")
    spec = imported(text, models_dir, trials=1).model_dump(mode="json")
    job_id = finished_job(app, api, spec)
    job = api.get(f"/v1/jobs/{job_id}").json()
    assert (job["state"], job["trials_total"]) == ("finished", 2)
    folder = folder_of(export(app, api, job_id, trial=1))
    steps = read_source(str(folder))
    assert list(steps) == ["step-1", ""]
    assert steps["step-1"].merge_method == "dare_linear"


def test_groups_are_as_coarse_as_the_values_allow(models_dir: Path) -> None:
    plain = imported(DARE, models_dir, layer_groups=2).stages[0].space
    assert plain.model_dump()["layer_groups"] == 2
    attention = imported(SLERP, models_dir).stages[0].space.model_dump()
    assert attention["layer_groups"] == (1, 1, 1)
    assert attention["module_groups"] == ("self_attn", "mlp")
    steps = TIES.replace("[0.1, 0.9]", "[0.2, 0.2, 0.8]")
    assert imported(steps, models_dir).stages[0].space.model_dump()["layer_groups"] == (2, 1)


def test_steps_become_stages_of_one_trial(models_dir: Path) -> None:
    text = f"name: first step\n{DARE.strip()}\n---\n" + LINEAR.replace("tiny/left", "first step")
    spec = imported(text, models_dir)
    first, last = spec.stages
    assert (first.name, first.budget.trials) == ("first-step", 1)
    assert last.space.parents == ("first-step.best", "right")
    assert last.space.model_dump()["starts"]["first-step.best"] == {"weight": 2.0}
    assert list(spec.models) == ["left", "right", "base"]


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        (("merge_method: ties", "merge_method: tries"), "merge_method", "unknown method"),
        (("density: 0.5", "density: 2"), "models[1].parameters.density", "at most 1"),
        (("dtype: float32", "modules: {}"), "modules", "no such field"),
        (("dtype: float32", "tokenizer_source: union"), "tokenizer_source", "base's tokens"),
        (
            (
                "weight: 0.7",
                "weight: [{filter: norm, value: 2}, {filter: layernorm, value: 1}, {value: 0}]",
            ),
            "parameters.weight",
            "no gene group holds both",
        ),
    ],
)
def test_what_cannot_be_mapped_is_one_clear_error(
    change: tuple[str, str], field: str, message: str, models_dir: Path
) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        imported(TIES.replace(*change), models_dir)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("- 1", "must be a mapping"),
        ("merge_method: linear\n---\nmerge_method: linear", "document 1: name"),
        ("a: &a 1\nb: *a", "anchors"),
        (
            _PATH,
            "stacks layers",
        ),
    ],
)
def test_other_texts_are_refused(text: str, message: str, models_dir: Path) -> None:
    with pytest.raises(RecipeError, match=message):
        imported(text, models_dir)


def test_layers_that_move_are_refused(models_dir: Path) -> None:
    rows = [[("left", 0, 1), ("right", 1, 2)], [("left", 1, 3), ("right", 0, 2)]]
    slices = [
        {"sources": [{"model": f"tiny/{one}", "layer_range": span} for one, *span in row]}
        for row in rows
    ]
    fields = {"merge_method": "slerp", "base_model": "tiny/left", "parameters": {"t": 1}}
    with pytest.raises(RecipeError, match="moves no layers"):
        imported(yaml.safe_dump(fields | {"slices": slices}), models_dir)


def test_a_card_or_a_folder_or_a_repository_gives_its_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = f"---\nlicense: mit\n---\n\n```yaml\nother: 1\n```\n\n```yaml\n{LINEAR.strip()}\n```\n"
    (tmp_path / "README.md").write_text(card)
    wanted = Recipe.from_yaml(LINEAR)
    assert read_source(str(tmp_path / "README.md")) == {"": wanted}
    assert read_source(str(tmp_path)) == {"": wanted}
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with hub_server() as hub:
        point_at(hub, tmp_path / "cache", monkeypatch)
        hub.add("me/child", {"README.md": card.encode()})
        assert read_source("hub:me/child") == {"": wanted}
        hub.add("me/kit", {"mergekit_config.yml": LINEAR.encode(), "README.md": b"nothing"})
        assert read_source("hub:me/kit") == {"": wanted}
        with pytest.raises(Exception, match="nobody"):
            read_source("hub:me/nobody")


def test_the_command_prints_a_spec_or_says_what_is_missing(
    models_dir: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "mergekit.yaml"
    recipe.write_text(TIES.replace("tiny/right", "org/right"))
    arguments = ["import", str(recipe), "--task", TASK, "--models", str(models_dir)]
    runner = CliRunner()
    missing = runner.invoke(cuvee, arguments)
    assert missing.exit_code == 1
    assert "--model org/right=REF" in missing.output.replace("\n", "")
    printed = runner.invoke(cuvee, [*arguments, "--model", "org/right=tiny/right", "--evaluate"])
    assert printed.exit_code == 0, printed.output
    spec = yaml.safe_load(printed.output)
    assert spec["models"]["right"] == {"ref": "tiny/right"}
    assert spec["stages"][0]["budget"]["trials"] == 1
