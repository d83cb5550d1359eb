"""Statistics prepared by workers: once a model, by content, found again by whoever needs them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from evaluators.errors import TaskDataError
from merging.recipe import Recipe
from tests.tiny import write_llama
from workers.actor import Worker
from workers.evaluator import Evaluator
from workers.work import Context, Evaluate, Prepare, Result, WriteCheckpoint

TASK = "jsonl:sums"
CALIBRATION = {"task": TASK, "items": 3}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {name: write_llama(folder / name, seed) for seed, name in enumerate("abc")}


@pytest.fixture
def context(tmp_path: Path, models: dict[str, Path]) -> Context:
    tasks = tmp_path / "tasks"
    tasks.mkdir()
    for stem, word in (("sums", "and"), ("other", "+")):
        lines = [
            json.dumps({"id": n, "prompt": f"one {word} {n} is ?", "answer": n, "split": split})
            for n, split in enumerate(["search"] * 5 + ["select"] * 2)
        ]
        (tasks / f"{stem}.jsonl").write_text("\n".join(lines))
    return Context(
        models=models,
        digests={},
        tasks={TASK: "exact_match"},
        tasks_dir=tasks,
        search_items=None,
        device="cpu",
        statistics=tmp_path / "statistics",
    )


def fisher(**calibration: Any) -> Recipe:
    return Recipe.parse(
        {
            "merge_method": "fisher",
            "models": [{"model": "a"}, {"model": "b"}],
            "calibration": CALIBRATION | calibration,
        }
    )


def adamerging(**calibration: Any) -> Recipe:
    return Recipe.parse(
        {
            "merge_method": "adamerging",
            "base_model": "a",
            "models": [{"model": "b"}, {"model": "c"}],
            "parameters": {"steps": 3, "learning_rate": 0.05},
            "calibration": CALIBRATION | calibration,
        }
    )


def prepare(context: Context, recipe: Recipe, model: str | None) -> Result:
    work = Prepare("one", context, recipe.model_dump_json(exclude_none=True), model, 60.0)
    return Worker("here").run(work)


def evaluate(context: Context, recipe: Recipe) -> Result:
    work = Evaluate("two", context, recipe.model_dump_json(exclude_none=True), "select", 60.0)
    return Worker("here").run(work)


def files(context: Context, kind: str) -> dict[str, int]:
    """The statistics there are, and when each was written."""
    assert context.statistics is not None
    found = context.statistics.glob(f"{kind}-*.safetensors")
    return {path.name: path.stat().st_mtime_ns for path in found}


def test_a_models_statistics_are_one_file_that_every_worker_finds(context: Context) -> None:
    assert prepare(context, fisher(), "a").reason is None
    first = files(context, "fisher")
    assert len(first) == 1
    assert prepare(context, fisher(), "a").reason is None
    assert files(context, "fisher") == first
    assert prepare(context, fisher(), "b").reason is None
    both = files(context, "fisher")
    assert len(both) == 2
    result = evaluate(context, fisher())
    assert result.reason is None
    assert len(result.scores[TASK].values) == 2
    # A folder copied under another name is the same model.
    assert context.statistics is not None
    moved = context.statistics.parent / "moved"
    shutil.copytree(context.models["a"], moved)
    elsewhere = replace(context, models={**context.models, "a": moved})
    assert evaluate(elsewhere, fisher()).reason is None
    assert files(context, "fisher") == both


@pytest.mark.parametrize(
    "changed",
    [{"seed": 1}, {"items": 4}, {"task": "jsonl:other"}, {"models": {"a": "jsonl:other"}}],
)
def test_other_texts_or_draws_are_other_statistics(
    context: Context, changed: dict[str, Any]
) -> None:
    prepare(context, fisher(), "a")
    prepare(context, fisher(**changed), "a")
    assert len(files(context, "fisher")) == 2


def test_a_changed_model_has_new_statistics(context: Context, tmp_path: Path) -> None:
    other = replace(context, models={**context.models, "a": write_llama(tmp_path / "new", 9)})
    prepare(context, fisher(), "a")
    prepare(other, fisher(), "a")
    assert len(files(context, "fisher")) == 2


def test_what_was_not_prepared_is_computed_when_it_is_needed(context: Context) -> None:
    prepared, fresh = context, replace(context, statistics=None)
    prepare(prepared, fisher(), "a")
    prepare(prepared, fisher(), "b")
    assert evaluate(prepared, fisher()).scores == evaluate(fresh, fisher()).scores
    for path in (context.statistics or Path()).glob("fisher-*"):
        path.unlink()
    assert evaluate(prepared, fisher()).reason is None
    assert len(files(context, "fisher")) == 2


def test_what_is_known_of_all_models_comes_back_as_numbers(context: Context) -> None:
    result = prepare(context, adamerging(), None)
    assert result.reason is None
    assert {len(numbers) for numbers in result.numbers.values()} == {2}
    assert result.numbers["model.norm.weight"] != [0.3, 0.3]
    written = files(context, "adamerging")
    assert prepare(context, adamerging(), None).numbers == result.numbers
    assert evaluate(context, adamerging()).reason is None
    assert files(context, "adamerging") == written
    assert len(written) == 1


def test_a_child_of_statistics_is_exported_with_the_recipe_that_it_came_to(
    context: Context, tmp_path: Path
) -> None:
    recipe = adamerging()
    out = tmp_path / "child"
    text = recipe.model_dump_json(exclude_none=True)
    assert Worker("here").run(WriteCheckpoint("x", context, text, out, 60.0)).reason is None
    assert Recipe.from_yaml((out / "recipe.yaml").read_text()) == recipe
    expanded = Recipe.from_yaml((out / "expanded_recipe.yaml").read_text())
    assert expanded.merge_method == "task_arithmetic"
    numbers = prepare(context, recipe, None).numbers
    tensors = {
        name: load_file(folder / "model.safetensors") for name, folder in context.models.items()
    }
    for name, child in load_file(out / "model.safetensors").items():
        base = tensors["a"][name]
        change = sum(
            coefficient * (tensors[parent][name] - base)
            for parent, coefficient in zip("bc", numbers[name], strict=True)
        )
        torch.testing.assert_close(child, base + change)


def test_statistics_leave_no_trace_in_the_next_child(context: Context) -> None:
    plain = Recipe.parse({"merge_method": "linear", "models": [{"model": "a"}, {"model": "b"}]})
    evaluator = Evaluator(context)

    def scores(recipe: Recipe) -> object:
        text = recipe.model_dump_json(exclude_none=True)
        return evaluator.evaluate(Evaluate("x", context, text, "select", 60.0), "here").scores

    before = scores(plain)
    scores(adamerging())
    scores(fisher())
    assert scores(plain) == before


def test_what_cannot_be_prepared_says_why(context: Context) -> None:
    result = prepare(context, fisher(task="jsonl:nothing"), "a")
    assert result.reason is not None
    assert "jsonl:nothing" in result.reason
    assert context.tasks_dir is not None
    line = '{"id": "q", "prompt": "one ?", "answer": "1", "split": "holdout"}'
    (context.tasks_dir / "late.jsonl").write_text(line)
    result = prepare(context, fisher(task="jsonl:late"), "a")
    assert result.reason is not None
    assert TaskDataError.__name__ in result.reason
