"""A model whose tokens have other numbers is scored in its own, and merged by their texts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from merging.recipe import Recipe
from search.baselines import parent_recipe
from workers.evaluator import Evaluator
from workers.work import Context, Evaluate, Prepare, TaskScores

ZOO = Path(__file__).parents[2] / "zoo"
TASK = "word_problems_en"
ITEMS = 10


def renumbered(source: Path, out: Path) -> Path:
    """The same model with all tokens but the four special ones under other ids."""
    folder = Path(shutil.copytree(source, out))
    data = json.loads((folder / "tokenizer.json").read_text())
    ids = data["model"]["vocab"]
    count = len(ids)
    # Where each old row goes.
    new = torch.cat([torch.arange(4), torch.arange(4, count).flip(0)])
    data["model"]["vocab"] = {token: int(new[number]) for token, number in ids.items()}
    (folder / "tokenizer.json").write_text(json.dumps(data, ensure_ascii=False))
    weights = load_file(folder / "model.safetensors")
    rows = weights["model.embed_tokens.weight"]
    weights["model.embed_tokens.weight"] = rows.index_copy(0, new, rows)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return renumbered(ZOO / "maths", tmp_path_factory.mktemp("zoo") / "maths")


def scores(models: dict[str, Path], recipes: list[Recipe]) -> list[TaskScores]:
    context = Context(models, {}, {TASK: "exact_match"}, None, ITEMS, "cpu")
    evaluator = Evaluator(context)
    found = []
    for recipe in recipes:
        work = Evaluate("one", context, recipe.model_dump_json(exclude_none=True), "search", 60.0)
        found.append(evaluator.evaluate(work, "here").scores[TASK])
    return found


def test_scores_are_those_of_the_model_as_it_was(folder: Path) -> None:
    mixture = Recipe.parse(
        {
            "merge_method": "task_arithmetic",
            "base_model": "base",
            "models": [{"model": "maths", "parameters": {"weight": 0.9}}],
        }
    )
    union = mixture.model_copy(update={"tokenizer_source": "union"})
    recipes = [parent_recipe("maths"), mixture, union]
    before = scores({"base": ZOO / "base", "maths": ZOO / "maths"}, recipes)
    assert all(one.mean > 0.2 for one in before)
    assert scores({"base": ZOO / "base", "maths": folder}, recipes) == before


def test_a_model_is_watched_in_its_own_tokens(folder: Path, tmp_path: Path) -> None:
    recipe = Recipe.parse(
        {
            "merge_method": "fisher",
            "models": [{"model": "maths"}],
            "calibration": {"task": TASK, "items": 2},
        }
    )
    for models in ({"maths": folder}, {"base": ZOO / "base", "maths": folder}):
        context = Context(models, {}, {TASK: "exact_match"}, None, ITEMS, "cpu", tmp_path)
        text = recipe.model_dump_json(exclude_none=True)
        Evaluator(context).prepare(Prepare("one", context, text, "maths", 60.0), "here")
    # The same model on the same texts, whichever model comes first: one file.
    assert len(list(tmp_path.glob("fisher-*.safetensors"))) == 1
