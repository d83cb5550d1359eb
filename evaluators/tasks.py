"""Loading a task by its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from evaluators.arithmetic import Arithmetic
from evaluators.cards import EXACT_MATCH, TARGET_BITS_PER_CHAR
from evaluators.catalogue import JSONL, LM_EVAL, MATH, check_task
from evaluators.errors import UnsupportedTask
from evaluators.jsonl import read_jsonl_task
from evaluators.math_problems import read_math_problems
from evaluators.numbers.pairs import PAIRS
from evaluators.numbers.task import NumberTask
from evaluators.published import PUBLISHED, load_published
from evaluators.target_likelihood import TargetLikelihood
from evaluators.task import LikelihoodTask, Task
from evaluators.word_problems import WordProblems


def load_task(
    name: str, tasks_dir: Path | None = None, *, seed: int = 0, metric: str | None = None
) -> Task:
    """The task of a name (see catalogue.py), its items read or generated.

    `seed` draws the items of a generated task, and leaves those of a file alone. `metric` is one
    of the task's card; None stands for the first.

    Raises UnknownTask, UnsupportedTask (where nothing is generated, too), TaskDataError.
    """
    task = load_any_task(name, tasks_dir, seed=seed, metric=metric)
    if isinstance(task, LikelihoodTask):
        raise UnsupportedTask(f"{name}: no text is generated for it, and one is needed here")
    return task


def load_any_task(
    name: str, tasks_dir: Path | None = None, *, seed: int = 0, metric: str | None = None
) -> Task | LikelihoodTask:
    """As `load_task`, of a task that is scored by likelihoods too."""
    check_task(name, metric, tasks_dir)
    if metric == TARGET_BITS_PER_CHAR:
        return TargetLikelihood(load_task(name, tasks_dir, seed=seed))
    if name in _GENERATED:
        return _GENERATED[name](seed)
    if name in PAIRS:
        return NumberTask(PAIRS[name], seed, metric or EXACT_MATCH)
    if name in PUBLISHED:
        return load_published(name, tasks_dir)
    prefix, _, stem = name.partition(":")
    if tasks_dir is not None and f"{prefix}:" in _FILES:
        return _FILES[f"{prefix}:"](tasks_dir / f"{stem}.jsonl")
    # lm-eval takes seconds to import, and few processes need it.
    from evaluators.lm_eval_bridge import load_lm_eval_task  # noqa: PLC0415

    return load_lm_eval_task(name.removeprefix(LM_EVAL), tasks_dir, metric=metric)


_FILES: dict[str, Callable[[Path], Task]] = {JSONL: read_jsonl_task, MATH: read_math_problems}
_GENERATED: dict[str, Callable[[int], Task]] = {
    "word_problems_ja": lambda seed: WordProblems("ja", seed),
    "word_problems_en": lambda seed: WordProblems("en", seed),
    "arithmetic": lambda seed: Arithmetic("none", seed),
    "arithmetic_grouped": lambda seed: Arithmetic("from_right", seed),
}
