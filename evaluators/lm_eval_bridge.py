"""lm-eval's tasks, through their own documents, prompts, filters and metrics.

Scores equal those that lm-eval itself reports for the same model in fp32, with two differences in
what is generated from: prompts get a chat template only where a spec asks for it, in one turn, and
a prompt too long for the model's context is not cut from the left but counts as truncated.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.defaults import DEFAULT_OTHER_SEED
from lm_eval.models.utils import normalize_gen_kwargs
from lm_eval.tasks import TaskManager

from evaluators.errors import TaskDataError, UnsupportedTask
from evaluators.lm_eval_choices import LmEvalChoices
from evaluators.lm_eval_configs import TEXT, task_file
from evaluators.splits import partition
from evaluators.task import Completion, GenerationSettings, Item, ItemScore, Split

# What lm-eval's regular-expression filters answer where nothing matches.
_NO_MATCH = "[invalid]"


@dataclass(frozen=True)
class LmEvalTask:
    """A `Task` whose prompts and scores are lm-eval's.

    An item's id is the task's name and the place of its document, such as gsm8k-0017.
    """

    name: str
    generation: GenerationSettings
    parts: Mapping[Split, tuple[Item, ...]]
    task: Any
    instances: Mapping[str, Instance]
    metric: str
    filter: str

    def items(self, split: Split) -> Sequence[Item]:
        return self.parts[split]

    def score(self, item: Item, completion: Completion) -> ItemScore:
        """The metric of lm-eval's `process_results`.

        Raises UnsupportedTask when that is no number in [0, 1].
        """
        answer = self._filtered(item, completion)
        results = self.task.process_results(self.instances[item.id].doc, [answer])
        value = results.get(self.metric)
        if not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise UnsupportedTask(f"{self.name}: {self.metric} is no number in [0, 1]: {value!r}")
        return ItemScore(
            value=float(value),
            correct=value == 1,
            language_ok=True,
            truncated=completion.truncated,
            no_answer=answer == _NO_MATCH or not completion.text.strip(),
        )

    def answer(self, item: Item, completion: Completion) -> str | None:
        """What the metric's filter leaves of a completion."""
        answer = str(self._filtered(item, completion)).strip()
        return None if answer in ("", _NO_MATCH) else answer

    def _filtered(self, item: Item, completion: Completion) -> Any:
        # A copy: filters write their results into the instance.
        instance = copy.copy(self.instances[item.id])
        instance.resps, instance.filtered_resps = [completion.text], {}
        for ensemble in self.task._filters:
            ensemble.apply([instance])
        return instance.filtered_resps[self.filter]


def load_lm_eval_task(
    name: str, tasks_dir: Path | None, *, metric: str | None = None
) -> LmEvalTask | LmEvalChoices:
    """An lm-eval task of the operator's folder, or one that lm-eval ships.

    Few-shot examples are those that lm-eval draws by default, so every load has the same prompts.

    Raises UnknownTask, UnsupportedTask, TaskDataError when its documents cannot be loaded.
    """
    file = task_file(name, tasks_dir)
    file.check()
    metric_name, filter_name = file.metric(metric)
    try:
        task = _load(name, file.path, tasks_dir)
        task.set_fewshot_seed(seed=DEFAULT_OTHER_SEED)
        task.build_all_requests(rank=0, world_size=1)
    except Exception as error:
        # A task file is code, and may raise anything; so may a data set that is not there.
        raise TaskDataError(f"lm_eval:{name}: {type(error).__name__}: {error}") from error
    requests: dict[str, list[Instance]] = {}
    for instance in task.instances:
        requests.setdefault(f"{name}-{instance.doc_id:04d}", []).append(instance)
    items = {
        item_id: Item(item_id, str(first.args[0]), str(task.doc_to_target(first.doc)))
        for item_id, (first, *_) in requests.items()
    }
    parts = {
        split: tuple(items[item_id] for item_id in ids) for split, ids in partition(items).items()
    }
    if file.kind != TEXT:
        choices = {item_id: tuple(made) for item_id, made in requests.items()}
        return LmEvalChoices(f"lm_eval:{name}", parts, task, choices, metric_name)
    return LmEvalTask(
        name=f"lm_eval:{name}",
        generation=_settings(name, task.instances),
        parts=parts,
        task=task,
        instances={item_id: made[0] for item_id, made in requests.items()},
        metric=metric_name,
        filter=filter_name,
    )


def _load(name: str, path: Path, tasks_dir: Path | None) -> Any:
    """The task, from an index of its own folder alone: lm-eval's full index takes seconds."""
    own = tasks_dir is not None and path.is_relative_to(tasks_dir)
    folder = tasks_dir if own else path.parent
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    return manager.load(name)["tasks"][name]


def _settings(name: str, instances: Sequence[Instance]) -> GenerationSettings:
    if not instances:
        raise TaskDataError(f"lm_eval:{name}: no documents")
    kinds = [normalize_gen_kwargs(instance.args[1]) for instance in instances]
    if any(kind != kinds[0] for kind in kinds):
        raise UnsupportedTask(f"lm_eval:{name}: its items differ in how text is generated")
    if kinds[0].get("do_sample"):
        raise UnsupportedTask(f"lm_eval:{name}: Cuvee generates greedily, this task samples")
    until = kinds[0].get("until") or []
    return GenerationSettings(int(kinds[0]["max_gen_toks"]), tuple(until))
