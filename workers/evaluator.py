"""One worker's bench: parents mapped, one resident model, tasks tokenised, recipes evaluated."""

from __future__ import annotations

import time

from transformers import AutoTokenizer

from evaluators.errors import TaskDataError
from evaluators.scoring import PreparedTask, SplitScores
from evaluators.task import Split
from evaluators.tasks import load_task
from merging.engine import MergeEngine
from merging.export import write_checkpoint
from merging.recipe import Recipe
from workers.work import Context, Evaluate, Result, TaskScores, WriteCheckpoint


class Evaluator:
    """Builds and scores the candidates of one context; what it prepares it keeps.

    The first model of the context gives the tokenizer.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._engine = MergeEngine(context.models, device=context.device)
        self._tokenizer = AutoTokenizer.from_pretrained(next(iter(context.models.values())))
        self._tasks = {
            name: load_task(name, context.tasks_dir, metric=metric)
            for name, metric in context.tasks.items()
        }
        self._prepared: dict[tuple[str, Split], PreparedTask] = {}

    def evaluate(self, work: Evaluate, worker: str) -> Result:
        """The child's item scores on every task of the context.

        Raises MergingError when the recipe cannot be built or yields NaN.
        """
        started = time.perf_counter()
        model = self._engine.merge(Recipe.model_validate_json(work.recipe))
        merged = time.perf_counter()
        scores = {
            name: _task_scores(self._prepare(name, work.split).score(model)) for name in self._tasks
        }
        scored = time.perf_counter()
        return Result(work.id, worker, scores, None, merged - started, scored - merged)

    def write(self, work: WriteCheckpoint, worker: str) -> Result:
        """Write the child's checkpoint to a folder that does not exist yet."""
        started = time.perf_counter()
        write_checkpoint(Recipe.model_validate_json(work.recipe), self._context.models, work.folder)
        return Result(work.id, worker, {}, None, time.perf_counter() - started, 0.0)

    def _prepare(self, name: str, split: Split) -> PreparedTask:
        if (name, split) not in self._prepared:
            limit = self._context.search_items if split == "search" else None
            prepared = PreparedTask(self._tasks[name], split, self._tokenizer, limit=limit)
            if not prepared.items:
                raise TaskDataError(f"task {name!r} has no item in its {split} split")
            self._prepared[name, split] = prepared
        return self._prepared[name, split]


def _task_scores(scores: SplitScores) -> TaskScores:
    return TaskScores(
        values=tuple(scores.values),
        truncated=scores.truncated,
        no_answer=scores.no_answer,
        wrong_language=scores.wrong_language,
        tokens=scores.tokens,
    )
