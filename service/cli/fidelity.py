"""What a model's skill is worth before and after something was done to its weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from evaluators.errors import TaskDataError
from evaluators.intervals import wilson
from evaluators.scoring import PreparedTask
from evaluators.task import Split
from evaluators.tasks import load_task
from merging.checkpoint import open_parent
from merging.moe.layout import stored_tensors


class Bench:
    """One model in memory, whose weights are replaced, and the tasks that it is scored on.

    `items` limits each split to its first items. Raises CheckpointError, UnknownTask,
    UnsupportedTask or TaskDataError.
    """

    def __init__(
        self, folder: Path, tasks: Sequence[str], tasks_dir: Path | None, items: int | None
    ) -> None:
        self.parent = open_parent(folder)
        self._tasks = {name: load_task(name, tasks_dir) for name in tasks}
        self._items = items
        bars: Any = logging
        bars.disable_progress_bar()
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=torch.float32,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
        )
        self.model = model.eval()
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)

    @torch.no_grad()
    def accuracy(
        self, tensor: Callable[[str], Tensor], task: str, split: Split
    ) -> dict[str, float]:
        """What a model of these tensors, by name, scores: `accuracy`, its Wilson interval from
        `low` to `high`, and `n`."""
        for name, parameter in stored_tensors(self.model).items():
            parameter.copy_(tensor(name))
        values = self._prepared(task, split, self._items).score(self.model).values
        low, high = wilson(sum(values), len(values))
        return {"accuracy": sum(values) / len(values), "low": low, "high": high, "n": len(values)}

    def texts(self, task: str, items: int) -> list[list[int]]:
        """Tokens of the first prompts of the search split, each with what the model as it is now
        answers: no reference is read."""
        prepared = self._prepared(task, "search", items)
        answers = prepared.completions(self.model)
        return [
            self._tokenizer(item.prompt + answer.text)["input_ids"]
            for item, answer in zip(prepared.items, answers, strict=True)
        ]

    def _prepared(self, task: str, split: Split, limit: int | None) -> PreparedTask:
        prepared = PreparedTask(self._tasks[task], split, self._tokenizer, limit=limit)
        if not prepared.items:
            raise TaskDataError(f"task {task!r} has no item in its {split} split")
        return prepared
