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
from merging.calibration.texts import Text
from merging.checkpoint import open_parent
from merging.moe.layout import stored_tensors
from workers.prompts import Prompts


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
        self._tasks_dir = tasks_dir
        bars: Any = logging
        bars.disable_progress_bar()
        model: Any = AutoModelForCausalLM.from_pretrained(
            self.parent.info.folder,
            dtype=torch.float32,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
        )
        self.model = model.eval()
        self._tokenizer = AutoTokenizer.from_pretrained(
            self.parent.info.folder, local_files_only=True
        )

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

    def texts(self, task: str, items: int) -> list[Text]:
        """The first prompts of the search split, each with what the model as it is now answers: no
        reference is read."""
        context = getattr(self.model.config, "max_position_embeddings", None)
        prompts = Prompts(task, items, self._tokenizer, self._tasks_dir, context)
        return prompts.answered(self.model)

    def _prepared(self, task: str, split: Split, limit: int | None) -> PreparedTask:
        prepared = PreparedTask(self._tasks[task], split, self._tokenizer, limit=limit)
        if not prepared.items:
            raise TaskDataError(f"task {task!r} has no item in its {split} split")
        return prepared
