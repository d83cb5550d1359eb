"""One worker's bench: parents mapped, one resident model, tasks tokenised, recipes evaluated."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedModel

from evaluators.answering.agreement import PreparedAgreement
from evaluators.chat import Chat, read_chat
from evaluators.content import items_digest
from evaluators.errors import TaskDataError
from evaluators.scoring import Prepared, PreparedTask, prepared
from evaluators.split_scores import SplitScores
from evaluators.task import Item, LikelihoodTask, Split, Task
from evaluators.tasks import load_any_task
from merging.engine import MergeEngine
from merging.export import write_checkpoint
from merging.recipe import Recipe
from merging.size import parameter_count
from workers.answering import answered, compared
from workers.preparing import Preparing
from workers.work import (
    Context,
    Evaluate,
    Prepare,
    Question,
    Result,
    TaskScores,
    WriteCheckpoint,
)


class Evaluator:
    """Builds and scores the candidates of one context; what it prepares it keeps.

    The first model of the context gives the tokenizer, unless the models have several: then each
    child has the one of its recipe's vocabulary.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._engine = MergeEngine(
            context.models, device=context.device, statistics=context.statistics
        )
        self._tasks = _loaded(context.tasks, context)
        self._searched = self._tasks | _loaded(context.search_metrics, context)
        self._preparing = Preparing(
            self._engine,
            context.models,
            self._tokenizer_in,
            context.tasks_dir,
            context.statistics,
        )
        self._tokenizers: dict[Path, Any] = {}
        self._chats: dict[Path, Chat] = {}
        self._prepared: dict[tuple[str, Split, Path], Prepared] = {}
        self._digests: dict[tuple[str, Split], str] = {}
        self._parts: dict[tuple[Prepared, tuple[int, ...]], Prepared] = {}
        self._built: tuple[str, PreTrainedModel] | None = None

    def evaluate(self, work: Evaluate, worker: str) -> Result:
        """The child's item scores on every task of the context, or on the places asked for.

        A child that is asked for again at once, for its next block of items, is not built again.
        Raises MergingError when the recipe cannot be built or yields NaN.
        """
        started = time.perf_counter()
        recipe = Recipe.model_validate_json(work.recipe)
        model = self._build(recipe)
        merged = time.perf_counter()
        folder = self._engine.tokenizer_folder(recipe)
        parts = {
            name: self._part(name, work, folder)
            for name in self._tasks
            if work.places is None or name in work.places
        }
        scores = {name: part.score(model) for name, part in parts.items()}
        scored = time.perf_counter()
        items = {} if work.places is not None else self._digests_of(work.split, folder)
        times = merged - started, scored - merged
        size = parameter_count(model)
        return Result(
            work.id,
            worker,
            {name: _task_scores(found) for name, found in scores.items()},
            None,
            *times,
            items=items,
            parameters=size,
            answers={
                name: tuple(found.texts)
                for name, found in scores.items()
                if work.answers and found.texts is not None
            },
            questions={
                name: tuple(_question(item) for item in part.items)
                for name, part in parts.items()
                if work.questions
            },
        )

    def write(self, work: WriteCheckpoint, worker: str) -> Result:
        """Write the child's checkpoint to a folder that does not exist yet."""
        started = time.perf_counter()
        recipe = Recipe.model_validate_json(work.recipe)
        self._built = None
        measured = self._preparing.measured(recipe)
        steps = {name: Recipe.model_validate_json(step) for name, step in work.steps.items()}
        write_checkpoint(
            recipe,
            self._context.models,
            work.folder,
            measured=measured,
            steps=steps,
            documents=work.documents,
            gguf=work.gguf,
        )
        return Result(work.id, worker, {}, None, time.perf_counter() - started, 0.0)

    def prepare(self, work: Prepare, worker: str) -> Result:
        """Compute statistics, or find them. Raises MergingError or EvaluatorError."""
        started = time.perf_counter()
        recipe = Recipe.model_validate_json(work.recipe)
        self._built = None
        numbers = self._preparing.prepare(recipe, work.model).numbers()
        taken = time.perf_counter() - started
        return Result(work.id, worker, {}, None, taken, 0.0, numbers)

    def _build(self, recipe: Recipe) -> PreTrainedModel:
        digest = recipe.digest()
        if self._built is None or self._built[0] != digest:
            # Whatever fails here, the resident is no longer the child that was built before.
            self._built = None
            self._built = digest, self._engine.merge(recipe, self._preparing.measured(recipe))
        return self._built[1]

    def _digests_of(self, split: Split, folder: Path) -> dict[str, str]:
        for name in self._tasks:
            key = name, split
            if key not in self._digests:
                self._digests[key] = items_digest(self._prepare(name, split, folder).items)
        return {name: self._digests[name, split] for name in self._tasks}

    def _part(self, name: str, work: Evaluate, folder: Path) -> Prepared:
        whole = self._prepare(name, work.split, folder)
        if work.places is None:
            return whole
        key = whole, work.places[name]
        if key not in self._parts:
            self._parts[key] = whole.part(work.places[name])
        return self._parts[key]

    def _prepare(self, name: str, split: Split, folder: Path) -> Prepared:
        """The task in the tokens of the tokenizer in `folder`."""
        key = name, split, folder
        if key not in self._prepared:
            task = self._answered(name, split, folder)
            if not task.items:
                raise TaskDataError(f"task {name!r} has no item in its {split} split")
            self._prepared[key] = task
        return self._prepared[key]

    def _answered(self, name: str, split: Split, folder: Path) -> Prepared:
        """The task, to be answered as the context says; on all splits but the search's compared
        with another way, where that is asked for."""
        task = (self._searched if split == "search" else self._tasks)[name]
        answer = self._context.answers.get(name)
        tokenizer = self._tokenizer_in(folder)
        limit = self._context.search_items if split == "search" else None
        chat = self._chat_of(name)
        if isinstance(task, LikelihoodTask) or answer is None:
            return prepared(task, split, tokenizer, limit=limit, chat=chat)
        in_chat = chat is not None
        own = answered(task, answer, chat=in_chat, seed=self._context.seed)
        scored = PreparedTask(own, split, tokenizer, limit=limit, chat=chat)
        other = compared(task, answer, chat=in_chat) if split != "search" else None
        if other is None:
            return scored
        return PreparedAgreement(scored, PreparedTask(other, split, tokenizer, chat=chat))

    def _chat_of(self, name: str) -> Chat | None:
        """The chat that the task's prompts are turns of."""
        folder = self._context.chat.get(name)
        if folder is None:
            return None
        if folder not in self._chats:
            self._chats[folder] = read_chat(folder)
        return self._chats[folder]

    def _tokenizer_in(self, folder: Path) -> Any:
        if folder not in self._tokenizers:
            self._tokenizers[folder] = AutoTokenizer.from_pretrained(folder)
        return self._tokenizers[folder]


def _loaded(metrics: Mapping[str, str], context: Context) -> dict[str, Task | LikelihoodTask]:
    return {
        name: load_any_task(name, context.tasks_dir, metric=metric)
        for name, metric in metrics.items()
    }


def _question(item: Item) -> Question:
    return Question(item.question or item.prompt, item.reference)


def _task_scores(scores: SplitScores) -> TaskScores:
    return TaskScores(
        values=tuple(scores.values),
        truncated=scores.truncated,
        no_answer=scores.no_answer,
        wrong_language=scores.wrong_language,
        tokens=scores.tokens,
        failures=scores.failures,
        agreed=scores.agreed,
    )
