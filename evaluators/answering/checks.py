"""Whether a task can be answered in a way, found out before any model is loaded."""

from __future__ import annotations

from pathlib import Path

from evaluators import sandbox
from evaluators.answering.chain_of_thought import closing
from evaluators.cards import TARGET_BITS_PER_CHAR
from evaluators.catalogue import JSONL, LM_EVAL, MATH
from evaluators.errors import SandboxMissing, UnsupportedTask
from evaluators.jsonl import JsonlTask, read_jsonl_task
from evaluators.lm_eval_configs import TEXT, task_file
from evaluators.math_problems import MathProblems, read_math_problems
from evaluators.task import SPLITS, Completion


def check_written(name: str, metric: str, tasks_dir: Path | None) -> None:
    """Whether a task's answers are written, and so can be sampled.

    Raises UnsupportedTask, UnknownTask, TaskDataError.
    """
    likelihoods = metric == TARGET_BITS_PER_CHAR or (
        name.startswith(LM_EVAL) and task_file(name.removeprefix(LM_EVAL), tasks_dir).kind != TEXT
    )
    if likelihoods:
        raise UnsupportedTask(f"{name} by {metric} compares likelihoods: no answer is written")


def check_chain_of_thought(name: str, metric: str, tasks_dir: Path | None) -> None:
    """Whether a chain of thought can answer a task.

    Raises UnsupportedTask, UnknownTask, TaskDataError.
    """
    check_written(name, metric, tasks_dir)
    if name in _FIRST_NUMBER:
        raise UnsupportedTask(
            f"{name} takes the first number of an answer, and a chain of thought ends with it"
        )
    task = _asking(name, tasks_dir)
    if isinstance(task, JsonlTask) and not _reads(task, closing(task)):
        raise UnsupportedTask(
            f"{name}: its extractor {task.settings.extractor!r} reads no answer at the end of a "
            f'chain of thought, such as "{closing(task).format(7)}"'
        )


def check_program(name: str, metric: str, tasks_dir: Path | None) -> None:
    """Whether programs can answer a task, and can run here.

    Raises SandboxMissing, UnsupportedTask, UnknownTask, TaskDataError.
    """
    check_written(name, metric, tasks_dir)
    check_sandbox()
    task = _asking(name, tasks_dir)
    if isinstance(task, JsonlTask) and not _reads(task, "{}"):
        raise UnsupportedTask(
            f"{name}: its extractor {task.settings.extractor!r} reads no answer in a bare value, "
            "which is all that a program gives"
        )


def check_sandbox() -> None:
    """Raises SandboxMissing where programs cannot run."""
    if not sandbox.available():
        raise SandboxMissing(
            "programs cannot run here: pydantic-monty is not installed, or does not start"
        )


_FIRST_NUMBER = ("arithmetic", "arithmetic_grouped")


def _asking(name: str, tasks_dir: Path | None) -> JsonlTask | MathProblems | None:
    """The task of a file, checked to have a question in every item; None for any other.

    Raises UnsupportedTask, TaskDataError.
    """
    if name.startswith(LM_EVAL):
        raise UnsupportedTask(f"{name} says in its own prompts how to answer; take direct")
    prefix, _, stem = name.rpartition(":")
    if tasks_dir is None or f"{prefix}:" not in (JSONL, MATH):
        return None
    path = tasks_dir / f"{stem}.jsonl"
    task = read_math_problems(path) if f"{prefix}:" == MATH else read_jsonl_task(path)
    bare = next((i.id for split in SPLITS for i in task.items(split) if not i.question), None)
    if bare is not None:
        raise UnsupportedTask(
            f"{name}: item {bare} has a whole prompt and no question that could be asked another "
            "way; take direct"
        )
    return task


def _reads(task: JsonlTask, text: str) -> bool:
    """Whether the task finds its first item's answer in a text that gives it."""
    item = task.items("search")[0]
    written = Completion(text.format(item.reference), truncated=False, tokens=0)
    return task.score(item, written).correct
