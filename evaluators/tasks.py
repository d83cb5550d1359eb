"""Loading a task by its name."""

from __future__ import annotations

from pathlib import Path

from evaluators.catalogue import JSONL, LM_EVAL, check_name, check_task
from evaluators.jsonl import read_jsonl_task
from evaluators.task import Task
from evaluators.word_problems import WordProblems


def load_task(
    name: str, tasks_dir: Path | None = None, *, seed: int = 0, metric: str | None = None
) -> Task:
    """The task of a name (see catalogue.py), its items read or generated.

    `seed` draws the items of a generated task, and leaves those of a file alone. `metric` is one
    of the task's card; None stands for the first.

    Raises UnknownTask, UnsupportedTask, TaskDataError.
    """
    check_name(name)
    if name == "word_problems_ja":
        return WordProblems("ja", seed)
    if name == "word_problems_en":
        return WordProblems("en", seed)
    check_task(name, metric, tasks_dir)
    if name.startswith(JSONL) and tasks_dir is not None:
        return read_jsonl_task(tasks_dir / f"{name.removeprefix(JSONL)}.jsonl")
    # lm-eval takes seconds to import, and few processes need it.
    from evaluators.lm_eval_bridge import load_lm_eval_task  # noqa: PLC0415

    return load_lm_eval_task(name.removeprefix(LM_EVAL), tasks_dir, metric=metric)
