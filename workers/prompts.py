"""The prompts that models are watched on, in tokens."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from evaluators.errors import TaskDataError
from evaluators.scoring import PreparedTask
from evaluators.tasks import load_task
from merging.calibration.texts import Text, texts_digest


class Prompts:
    """The first `items` prompts of a task's search split, cut to `context` tokens if that is given.

    Raises EvaluatorError where there is no such task, or no item in its search split.
    """

    def __init__(
        self,
        task: str,
        items: int,
        tokenizer: PreTrainedTokenizerBase,
        tasks_dir: Path | None,
        context: int | None,
    ) -> None:
        self._tokenizer: Any = tokenizer
        self._context = context
        self._prepared = PreparedTask(load_task(task, tasks_dir), "search", tokenizer, limit=items)
        if not self._prepared.items:
            raise TaskDataError(f"task {task!r} has no item in its search split")

    @cached_property
    def texts(self) -> list[Text]:
        """The prompts, of which every token's prediction counts. Empty ones are left out."""
        rows = (self._tokenizer(item.prompt)["input_ids"] for item in self._prepared.items)
        return [Text(tuple(row[: self._context])) for row in rows if row]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the texts."""
        return texts_digest(self.texts)

    @property
    def generation(self) -> str:
        """How answers to the prompts are generated."""
        return str(self._prepared.task.generation)

    def answered(self, model: PreTrainedModel) -> list[Text]:
        """The prompts, each with what the model answers: the answer's tokens, and what comes after
        them, are the predictions that count."""
        texts = []
        for item, answer in zip(
            self._prepared.items, self._prepared.completions(model), strict=True
        ):
            prompt = self._tokenizer(item.prompt)["input_ids"]
            written = self._tokenizer(answer.text, add_special_tokens=False)["input_ids"]
            row = [*prompt, *written][: self._context]
            if row:
                texts.append(Text(tuple(row), read=max(1, min(len(prompt), len(row)))))
        return texts
