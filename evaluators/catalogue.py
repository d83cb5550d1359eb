"""The tasks there are, as plain data: for forms, for checks of a spec, for error messages.

Names: `word_problems_ja` and `word_problems_en`; `numbers_<representation>_<operation>`;
`arithmetic` and `arithmetic_grouped`; the benchmarks of published.py, such as `gsm8k_mgsm_ja`,
whose files the operator brings; `jsonl:<stem>` for a file of the operator's tasks folder, and
`math:<stem>` for one whose answers are LaTeX; `lm_eval:<name>` for a task of lm-eval, defined by a
YAML file of that folder or shipped with lm-eval. Task files run code, so a request may name a task
but never a path. docs/tasks.md describes them all.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from evaluators import arithmetic
from evaluators.cards import EXACT_MATCH, TARGET_BITS_PER_CHAR, TaskCard
from evaluators.errors import EvaluatorError, TaskDataError, UnknownTask, UnsupportedTask
from evaluators.jsonl import read_jsonl_task
from evaluators.lm_eval_configs import (
    operator_tasks,
    read_task_file,
    shipped_tasks,
    task_file,
)
from evaluators.math_problems import holds_math_problems, read_math_problems
from evaluators.numbers import pairs
from evaluators.published import PUBLISHED, load_published, published_cards
from evaluators.task import SPLITS, Task
from evaluators.word_problems import ITEM_COUNTS

JSONL = "jsonl:"
MATH = "math:"
LM_EVAL = "lm_eval:"


def task_cards(tasks_dir: Path | None) -> Mapping[str, TaskCard]:
    """The built-in tasks and the operator's, by name.

    Left out are the thousands that lm-eval ships (which `check_task` knows) and those that Cuvee
    does not score. A file that cannot be read has a card that says why.
    """
    cards = [*_GENERATED.values()]
    if tasks_dir is not None and tasks_dir.is_dir():
        cards += published_cards(tasks_dir)
        cards += [_jsonl_card(path) for path in sorted(tasks_dir.glob("*.jsonl"))]
        cards += _lm_eval_cards(tasks_dir)
    return {card.name: card for card in cards}


def check_task(name: str, metric: str | None, tasks_dir: Path | None) -> None:
    """Whether a task can be searched on with this metric; None stands for its first one.

    Raises UnknownTask (with what there is, and the nearest name), UnsupportedTask, TaskDataError.
    """
    check_name(name)
    if name.startswith(LM_EVAL):
        _check_lm_eval(name, metric, tasks_dir)
        return
    if name in PUBLISHED:
        load_published(name, tasks_dir)
        metrics = PUBLISHED[name].metrics
    else:
        card = _GENERATED.get(name) or task_cards(tasks_dir).get(name)
        if card is None:
            raise _unknown(name, tasks_dir)
        if card.splits is None:
            raise TaskDataError(card.summary)
        metrics = card.metrics
    if metric is not None and metric not in metrics:
        raise UnsupportedTask(f"{name} has no metric {metric!r}; there are: {', '.join(metrics)}")


def check_name(name: str) -> None:
    """Raises UnknownTask for a name that could reach a file outside the tasks folder."""
    if not _NAME.fullmatch(name) or ".." in name:
        raise UnknownTask(
            f"{name!r} is no task name: letters, digits, '_', '-', '.' and one prefix"
        )


_NAME = re.compile(rf"(?:{JSONL}|{MATH}|{LM_EVAL})?[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_WORD_PROBLEMS = [
    TaskCard(
        name=f"word_problems_{language}",
        summary=f"Word problems of one to three steps, asked and answered in {spoken}",
        languages=(language,),
        licence="Apache-2.0",
        splits=dict(ITEM_COUNTS),
        metrics=(EXACT_MATCH, TARGET_BITS_PER_CHAR),
    )
    for language, spoken in (("ja", "Japanese"), ("en", "English"))
]
_GENERATED: dict[str, TaskCard] = {
    card.name: card
    for card in (*_WORD_PROBLEMS, *arithmetic.cards(), *map(pairs.card, pairs.PAIRS.values()))
}


def _jsonl_card(path: Path) -> TaskCard:
    latex = holds_math_problems(path)
    name = (MATH if latex else JSONL) + path.stem
    try:
        task = read_math_problems(path) if latex else read_jsonl_task(path)
    except TaskDataError as error:
        return TaskCard(name, f"Cannot be read: {error}", (), "", None, (EXACT_MATCH,))
    return TaskCard(
        name=name,
        summary=task.settings.summary or f"{path.name} of the tasks folder",
        languages=(task.settings.language,) if task.settings.language else (),
        licence=task.settings.licence,
        splits={split: len(task.items(split)) for split in SPLITS},
        metrics=(EXACT_MATCH, TARGET_BITS_PER_CHAR) if _solved(task) else (EXACT_MATCH,),
    )


def _solved(task: Task) -> bool:
    return all(item.solution for split in SPLITS for item in task.items(split))


def _lm_eval_cards(tasks_dir: Path) -> Iterable[TaskCard]:
    for name, path in operator_tasks(tasks_dir).items():
        try:
            file = read_task_file(path)
            file.check()
        except UnsupportedTask:
            continue
        except TaskDataError as error:
            yield TaskCard(LM_EVAL + name, f"Cannot be read: {error}", (), "", None, ())
            continue
        summary = f"{path.name} of the tasks folder, scored as lm-eval does"
        yield TaskCard(LM_EVAL + name, summary, (), "", None, file.metrics)


def _check_lm_eval(name: str, metric: str | None, tasks_dir: Path | None) -> None:
    bare = name.removeprefix(LM_EVAL)
    try:
        file = task_file(bare, tasks_dir)
    except UnknownTask:
        raise _unknown(
            name, tasks_dir, (LM_EVAL + shipped for shipped in shipped_tasks())
        ) from None
    try:
        file.check()
        file.metric(metric)
    except EvaluatorError as error:
        raise type(error)(f"{name}: {error}") from error


def _unknown(name: str, tasks_dir: Path | None, others: Iterable[str] = ()) -> UnknownTask:
    known = list(task_cards(tasks_dir))
    near = difflib.get_close_matches(name, [*known, *PUBLISHED, *others], n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    listed = [task for task in known if task not in pairs.PAIRS]
    return UnknownTask(
        f"no task {name!r}.{hint} There are: {', '.join(listed)}, numbers_<representation>_"
        f"<operation>, and {LM_EVAL}<name> of lm-eval."
    )
