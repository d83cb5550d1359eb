"""Scores that need no model: a function of the recipe, the split and the task."""

from __future__ import annotations

import random
from collections.abc import Mapping

from evaluators.task import Split
from merging.recipe import Recipe
from workers.work import Context, Result, TaskScores

ITEMS = 40


def nothing_scored(work_id: str) -> Result:
    """The result of work that scores nothing."""
    return Result(work_id, "instant", {}, None, 0.0, 0.0)


def scored(
    work_id: str,
    context: Context,
    recipe: Recipe,
    split: Split,
    places: Mapping[str, tuple[int, ...]] | None,
) -> Result:
    """The result of an evaluation, of all items or of those at some places."""
    scores = {task: item_scores(recipe.digest(), split, task) for task in context.tasks}
    if places is not None:
        scores = {task: tuple(scores[task][at] for at in wanted) for task, wanted in places.items()}
    found = {task: TaskScores(values, 0, 0, 0, 5 * len(values)) for task, values in scores.items()}
    items = dict.fromkeys(found, f"items of {split}") if places is None else {}
    return Result(work_id, "instant", found, None, 0.0, 0.0, items=items, parameters=1000)


def item_scores(digest: str, split: str, task: str) -> tuple[float, ...]:
    """Items that a child of some skill at the task solves by chance."""
    skill = random.Random(f"{digest} {task}").random()
    draws = random.Random(f"{digest} {split} {task}")
    return tuple(float(draws.random() < skill) for _ in range(ITEMS))
