"""How a model's routers use its experts, prepared by workers, on the bundled mixture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import zoo
from merging.moe.routing import routing_statistics
from merging.recipe import Recipe
from service.cli.fidelity import Bench
from workers.actor import Worker
from workers.work import Context, Evaluate, Prepare, Result

MOE = Path(zoo.__file__).parent / "moe"
TASK = "word_problems_ja"
ITEMS = 12


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(
        models={"zoo/moe": MOE},
        digests={},
        tasks={TASK: "exact_match"},
        tasks_dir=None,
        search_items=24,
        device="cpu",
        statistics=tmp_path / "statistics",
    )


def recipe_of(groups: float, **calibration: Any) -> Recipe:
    return Recipe.parse(
        {
            "merge_method": "moe_merge",
            "models": [{"model": "zoo/moe"}],
            "parameters": {"groups": groups},
            "calibration": {"task": TASK, "items": ITEMS} | calibration,
        }
    )


def prepare(context: Context, recipe: Recipe, model: str | None = "zoo/moe") -> Result:
    text = recipe.model_dump_json(exclude_none=True)
    return Worker("here").run(Prepare("one", context, text, model, 60.0))


def evaluate(context: Context, recipe: Recipe) -> tuple[float, ...]:
    text = recipe.model_dump_json(exclude_none=True)
    result = Worker("here").run(Evaluate("two", context, text, "search", 60.0))
    assert result.reason is None
    return result.scores[TASK].values


def files(context: Context) -> dict[Path, int]:
    assert context.statistics is not None
    found = context.statistics.glob("routing-*.safetensors")
    return {path: path.stat().st_mtime_ns for path in found}


def test_one_file_serves_every_number_of_groups(context: Context) -> None:
    assert prepare(context, recipe_of(7)).reason is None
    written = files(context)
    assert len(written) == 1
    whole, most, few = (sum(evaluate(context, recipe_of(groups))) for groups in (8, 7, 3))
    assert files(context) == written
    # A model that solves nearly everything, one expert in eight less, and hardly any left.
    assert whole > 20
    assert most > 10
    assert few < most


def test_routers_are_watched_on_prompts_with_the_models_own_answers(context: Context) -> None:
    prepare(context, recipe_of(7))
    (path,) = files(context)
    texts = Bench(MOE, [TASK], None, None).texts(TASK, ITEMS)
    assert len(texts) == ITEMS
    assert all(len(text.tokens) > text.read for text in texts)
    model = Bench(MOE, [TASK], None, None).model
    kept = load_file(path)
    for rows, equal in (
        ([text.tokens for text in texts], True),
        ([text.tokens[: text.read] for text in texts], False),
    ):
        found = routing_statistics(model, [rows])
        assert found.keys() == kept.keys()
        same = [torch.allclose(found[name], kept[name], atol=1e-5) for name in kept]
        assert all(same) if equal else not any(same)


def test_nothing_is_drawn_so_that_the_seed_plays_no_part(context: Context) -> None:
    for calibration in ({}, {"seed": 5}):
        prepare(context, recipe_of(7, **calibration))
    assert len(files(context)) == 1
    prepare(context, recipe_of(7, items=ITEMS + 1))
    assert len(files(context)) == 2


def test_models_without_experts_and_together_have_none(context: Context) -> None:
    together = prepare(context, recipe_of(7), None)
    assert together.reason is not None
    assert "CalibrationError" in together.reason
    dense = replace(context, models={"zoo/moe": MOE.parent / "base"})
    refused = prepare(dense, recipe_of(7))
    assert refused.reason is not None
    assert "models[0].model: the model has no experts" in refused.reason
    assert files(context) == {}
