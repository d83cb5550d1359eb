"""What a search will cost, as far as its spec and the headers of its models tell."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from evaluators.errors import EvaluatorError
from evaluators.task import LikelihoodTask, Split
from evaluators.tasks import load_any_task
from merging.checkpoint import CheckpointInfo
from search.spec import DirectAnswer, SearchSpec, Stage, TaskEntry
from service.jobs.admission import Admitted
from service.jobs.schemas import Estimate, Memory, StageEstimate

# Of a number, in bytes, by the name of its type; others have one.
_WIDTHS = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}
_CHILD_WIDTH = 4


def estimate(admitted: Admitted, tasks_dir: Path | None) -> Estimate:
    """The estimate; null wherever only running the search would tell."""
    spec = admitted.spec
    sizes = [_size(entry, spec, tasks_dir) for entry in spec.tasks]
    items = _sum(size[0] for size in sizes)
    tokens = _sum(size[1] for size in sizes)
    return Estimate(
        name=spec.name,
        items_per_trial=items,
        stages=[_stage(one, admitted, items, tokens) for one in spec.stages],
        memory=_memory(admitted.checkpoints),
    )


def items_per_trial(spec: SearchSpec, tasks_dir: Path | None) -> int | None:
    """Items of the search split, all tasks together; None where only the search would tell."""
    return _sum(_size(entry, spec, tasks_dir)[0] for entry in spec.tasks)


def _stage(
    stage: Stage, admitted: Admitted, items: int | None, tokens: int | None
) -> StageEstimate:
    names = [gene.name for gene in admitted.genes[stage.name]]
    budget = stage.budget
    return StageEstimate(
        name=stage.name,
        dimension=len(names),
        genes=names,
        trials=budget.trials,
        items=_least(_times(budget.trials, items), budget.items),
        tokens=_least(_times(budget.trials, tokens), budget.tokens),
    )


def _size(
    entry: TaskEntry, spec: SearchSpec, tasks_dir: Path | None
) -> tuple[int | None, int | None]:
    """Items of the search split, and the most tokens that answers to them may have."""
    split: Split = "search"
    try:
        task = load_any_task(entry.task, tasks_dir, seed=spec.seed, metric=entry.searched_by)
    except EvaluatorError:
        return None, None
    count = len(task.items(split))
    count = count if spec.items is None else min(count, spec.items)
    if isinstance(task, LikelihoodTask):
        return count, 0
    if not isinstance(entry.answer, DirectAnswer):
        return count, None
    return count, count * task.generation.max_new_tokens * task.generation.samples


def _memory(checkpoints: Mapping[str, CheckpointInfo]) -> Memory:
    parents = {info.path: _bytes(info) for info in checkpoints.values()}
    numbers = max(
        sum(math.prod(tensor.shape) for tensor in info.tensors.values())
        for info in checkpoints.values()
    )
    return Memory(parents=sum(parents.values()), child=numbers * _CHILD_WIDTH)


def _bytes(info: CheckpointInfo) -> int:
    return sum(
        math.prod(tensor.shape) * _WIDTHS.get(tensor.dtype, 1) for tensor in info.tensors.values()
    )


def _sum(values: Iterable[int | None]) -> int | None:
    known = list(values)
    whole = [value for value in known if value is not None]
    return sum(whole) if len(whole) == len(known) else None


def _times(count: int | None, each: int | None) -> int | None:
    return None if count is None or each is None else count * each


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)
