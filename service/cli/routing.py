"""Parents behind a router: trained on their tasks' prompts, and scored by what it gives a task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer

from evaluators.errors import TaskDataError
from evaluators.intervals import wilson
from evaluators.scoring import PreparedTask
from evaluators.task import Split
from evaluators.tasks import load_task
from merging.engine import MergeEngine
from merging.recipe import ModelEntry, Recipe
from merging.twin.router import Router, Training, mean_states, train_router


class Routing:
    """Twin-Merging of `parents` (name: folder), each for a task of its own, over `base`.

    `settings` are the method's own, lambda and density. `items` limits the scored split to its
    first items. Memory is that of one model, beside what the method keeps. Raises CheckpointError,
    RecipeError or EvaluatorError.
    """

    def __init__(
        self,
        base: Path,
        parents: Mapping[str, Path],
        tasks: Mapping[str, str],
        settings: Mapping[str, float],
        tasks_dir: Path | None,
        items: int | None,
    ) -> None:
        self._base, self._parents, self._settings, self._items = base, parents, settings, items
        self._tasks = {name: load_task(task, tasks_dir) for name, task in tasks.items()}
        self._engine = MergeEngine({str(one): one for one in (base, *parents.values())})
        first = self._engine.parents[str(base)].info
        self._tokenizer: Any = AutoTokenizer.from_pretrained(first.folder, local_files_only=True)
        self._context = getattr(self._engine.model.config, "max_position_embeddings", None)
        self._router: Router | None = None

    def recipe(self, weights: Mapping[str, float]) -> Recipe:
        """The child that the router's weights, by parent, ask for."""
        return Recipe.parse(
            {
                "merge_method": "twin",
                "base_model": str(self._base),
                "models": [
                    {"model": str(folder), "parameters": {"weight": weights[name]}}
                    for name, folder in self._parents.items()
                ],
                "parameters": dict(self._settings),
            }
        )

    def train(self, prompts: int, seed: int) -> None:
        """Teach the router which parent's task a prompt is of, from the first `prompts` of each
        task's search split. No reference answer is read."""
        states = [self._states(self._prepared(name, "search", prompts)) for name in self._parents]
        self._router = train_router(states, Training(seed=seed))

    def score(self, parent: str) -> dict[str, Any]:
        """What there is to know of a parent's task, on its holdout split.

        Accuracies of the `parent`, the `shared` model and the `twin`, whose own parts are added by
        the mean over prompts of the router's `weights`, by parent. `routed` is the share of prompts
        that give this parent the most.
        """
        assert self._router is not None, "the router is not trained"
        prepared = self._prepared(parent, "holdout", self._items)
        rows = self._router.weights(self._states(prepared))
        names = list(self._parents)
        weights = dict(zip(names, rows.mean(dim=0).tolist(), strict=True))
        routed = (rows.argmax(dim=1) == names.index(parent)).float().mean()
        alone = Recipe(
            merge_method="linear", models=(ModelEntry(model=str(self._parents[parent])),)
        )
        return {
            "parent": self._accuracy(alone, prepared),
            "shared": self._accuracy(self._shared(), prepared),
            "twin": self._accuracy(self.recipe(weights), prepared),
            "weights": weights,
            "routed": float(routed),
        }

    def _shared(self) -> Recipe:
        return self.recipe(dict.fromkeys(self._parents, 0.0))

    def _states(self, prepared: PreparedTask) -> torch.Tensor:
        """What the shared model makes of a split's prompts."""
        rows = [self._tokenizer(item.prompt)["input_ids"] for item in prepared.items]
        model = self._engine.merge(self._shared())
        return mean_states(model, [row[: self._context] for row in rows if row])

    def _prepared(self, parent: str, split: Split, limit: int | None) -> PreparedTask:
        prepared = PreparedTask(self._tasks[parent], split, self._tokenizer, limit=limit)
        if not prepared.items:
            raise TaskDataError(f"task {prepared.task.name!r} has no item in its {split} split")
        return prepared

    def _accuracy(self, recipe: Recipe, prepared: PreparedTask) -> dict[str, float]:
        values = prepared.score(self._engine.merge(recipe)).values
        low, high = wilson(sum(values), len(values))
        return {"accuracy": sum(values) / len(values), "low": low, "high": high, "n": len(values)}
