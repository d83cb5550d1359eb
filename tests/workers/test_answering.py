"""Ways of answering inside a worker: merged children and paths, whole splits and blocks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evaluators.task import SPLITS, Completion
from evaluators.tasks import load_task
from merging.recipe import Recipe
from search.baselines import parent_recipe
from search.spec import (
    Answer,
    ChainOfThoughtAnswer,
    DirectAnswer,
    ProgramAnswer,
    SelfConsistencyAnswer,
)
from workers.evaluator import Evaluator
from workers.work import Context, Evaluate, Result

ROOT = Path(__file__).resolve().parents[2]
TASK = "word_problems_ja"
CONTEXT = Context(
    models={f"zoo/{name}": ROOT / "zoo" / name for name in ("base", "maths", "ja")},
    digests={},
    tasks={TASK: "exact_match"},
    tasks_dir=None,
    search_items=12,
    device="cpu",
)
VOTE = SelfConsistencyAnswer(kind="self_consistency", of=DirectAnswer(), samples=3, temperature=0.8)
MERGED = Recipe.model_validate(
    {
        "merge_method": "task_arithmetic",
        "base_model": "zoo/base",
        "models": [
            {"model": f"zoo/{name}", "parameters": {"weight": 1.0}} for name in ("maths", "ja")
        ],
        "dtype": "float32",
    }
)
PATH = Recipe.model_validate(
    {
        "merge_method": "passthrough",
        "slices": [
            {"sources": [{"model": model, "layer_range": [first, last]}]}
            for model, first, last in (("zoo/ja", 0, 3), ("zoo/maths", 2, 3), ("zoo/ja", 3, 4))
        ],
        "dtype": "float32",
    }
)


def context(answer: Answer, **changes: object) -> Context:
    return replace(CONTEXT, answers={TASK: answer}, **changes)  # type: ignore[arg-type]


def evaluate(
    evaluator: Evaluator,
    recipe: Recipe,
    split: str = "search",
    places: tuple[int, ...] | None = None,
) -> Result:
    assert split in SPLITS
    blocks = None if places is None else {TASK: places}
    text = recipe.model_dump_json(exclude_none=True)
    return evaluator.evaluate(Evaluate("one", CONTEXT, text, split, 60.0, blocks), "here")


def test_what_is_written_comes_back_where_that_is_wanted() -> None:
    text = MERGED.model_dump_json(exclude_none=True)
    wanted = Evaluate("one", CONTEXT, text, "search", 60.0, answers=True, questions=True)
    evaluator = Evaluator(CONTEXT)
    result = evaluator.evaluate(wanted, "here")
    items = load_task(TASK).items("search")[:12]
    assert [one.text for one in result.questions[TASK]] == [item.question for item in items]
    assert [one.reference for one in result.questions[TASK]] == [item.reference for item in items]
    again = [
        load_task(TASK).score(item, Completion(written, truncated=False, tokens=1)).value
        for item, written in zip(items, result.answers[TASK], strict=True)
    ]
    assert again == list(result.scores[TASK].values)
    unasked = evaluate(evaluator, MERGED)
    assert (unasked.answers, unasked.questions) == ({}, {})


@pytest.mark.parametrize("recipe", [MERGED, PATH], ids=["merged", "path"])
def test_samples_of_a_child_are_the_same_whole_and_in_blocks(recipe: Recipe) -> None:
    evaluator = Evaluator(context(VOTE, seed=1))
    whole = evaluate(evaluator, recipe).scores[TASK]
    assert len(whole.values) == 12
    order = (7, 2, 11, 0, 5, 1, 3, 9, 4, 10, 8, 6)
    values: dict[int, float] = {}
    tokens = 0
    for start in range(0, 12, 4):
        places = order[start : start + 4]
        block = evaluate(evaluator, recipe, places=places).scores[TASK]
        values |= dict(zip(places, block.values, strict=True))
        tokens += block.tokens
    assert tuple(values[place] for place in range(12)) == whole.values
    assert tokens == whole.tokens
    assert evaluate(Evaluator(context(VOTE, seed=1)), recipe).scores[TASK] == whole
    assert evaluate(Evaluator(context(VOTE, seed=2)), recipe).scores[TASK].tokens != whole.tokens


def test_a_child_that_writes_no_program_scores_zero_and_says_why() -> None:
    evaluator = Evaluator(context(ProgramAnswer(kind="program", shots=0, max_new_tokens=24)))
    scores = evaluate(evaluator, MERGED).scores[TASK]
    assert scores.values == (0.0,) * 12
    assert sum(scores.failures.values()) == 12
    assert scores.failures["no_program"] > 0
    assert scores.agreed is None


def test_agreement_is_measured_where_nothing_is_searched() -> None:
    answer = ChainOfThoughtAnswer(kind="chain_of_thought", max_new_tokens=16, agreement=True)
    evaluator = Evaluator(context(answer))
    parent = parent_recipe("zoo/ja")
    assert evaluate(evaluator, parent).scores[TASK].agreed is None
    assert evaluate(evaluator, parent, "select").scores[TASK].agreed == 0
