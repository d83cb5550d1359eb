"""What lm-eval task files say, read without lm-eval: its import and its index take seconds.

Nothing of a task file runs here: a `!function` stays a name.
"""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from evaluators.errors import TaskDataError, UnknownTask, UnsupportedTask

TEXT = "generate_until"
KINDS = (TEXT, "multiple_choice", "loglikelihood")
_LIKELIHOOD_METRICS = ("acc", "acc_norm", "acc_bytes")


@dataclass(frozen=True)
class TaskFile:
    """A YAML file that defines a task, its includes merged in."""

    path: Path
    config: Mapping[str, Any]

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric with every filter, the way lm-eval's results name them.

        Of a task that compares likelihoods those that are one number in [0, 1] an item.
        """
        if self.kind != TEXT:
            listed = self.config.get("metric_list") or _LIKELIHOOD_METRICS
            names = [m if isinstance(m, str) else m["metric"] for m in listed]
            return tuple(f"{name},none" for name in names if name in _LIKELIHOOD_METRICS)
        listed = self.config.get("metric_list") or [{"metric": "exact_match"}]
        filters = self.config.get("filter_list") or [{"name": "none"}]
        return tuple(
            f"{metric['metric']},{filter_['name']}" for metric in listed for filter_ in filters
        )

    @property
    def kind(self) -> str:
        """What is asked of the model: lm-eval's `output_type`."""
        return "Python" if "class" in self.config else self.config.get("output_type", TEXT)

    def metric(self, name: str | None) -> tuple[str, str]:
        """A metric and a filter by name; without a filter the first, without a name both first.

        Raises UnsupportedTask, listing what there is.
        """
        for known in self.metrics:
            metric, _, filter_ = known.partition(",")
            if name is None or name in (known, metric):
                return metric, filter_
        raise UnsupportedTask(f"no metric {name!r}; there are: {', '.join(self.metrics)}")

    def check(self) -> None:
        """Raises UnsupportedTask unless the task is scored by one greedily generated text, or by
        the likelihoods of given ones."""
        if self.kind not in KINDS:
            raise UnsupportedTask(f"Cuvee scores {', '.join(KINDS)} tasks, this one is {self.kind}")
        if not self.metrics:
            known = ", ".join(_LIKELIHOOD_METRICS)
            raise UnsupportedTask(f"none of its metrics is a number in [0, 1] an item ({known})")
        if (self.config.get("generation_kwargs") or {}).get("do_sample") is True:
            raise UnsupportedTask("Cuvee generates greedily, this task samples")
        if self.config.get("repeats", 1) != 1:
            raise UnsupportedTask("Cuvee generates once an item, this task repeats")


def operator_tasks(tasks_dir: Path) -> dict[str, Path]:
    """The YAML files of the operator's folder that define a task, by lm-eval's name for it."""
    return _defining(tasks_dir)


def task_file(name: str, tasks_dir: Path | None) -> TaskFile:
    """The file that defines a task: the operator's, else the one lm-eval ships.

    Raises UnknownTask (without suggestions), TaskDataError.
    """
    own = operator_tasks(tasks_dir) if tasks_dir is not None else {}
    path = own.get(name) or shipped_tasks().get(name)
    if path is None:
        raise UnknownTask(f"lm-eval has no task {name!r}")
    return read_task_file(path)


@functools.cache
def shipped_tasks() -> Mapping[str, Path]:
    """The tasks that lm-eval ships, by name; a text scan of some 14,000 files, done once."""
    spec = importlib.util.find_spec("lm_eval")
    if spec is None or spec.origin is None:
        return {}
    return _defining(Path(spec.origin).parent / "tasks")


def read_task_file(path: Path) -> TaskFile:
    """A task file with its includes, the local keys winning.

    Raises TaskDataError, naming the file.
    """
    return TaskFile(path, _config(path, frozenset()))


_TASK_LINE = re.compile(rb"^task:[ \t]*[\"']?([^\s\"'#]+)", re.MULTILINE)


def _defining(root: Path) -> dict[str, Path]:
    """Where tasks are defined, told by their `task:` lines; of two files of a name the first."""
    found: dict[str, Path] = {}
    for path in sorted(root.rglob("*.yaml")):
        match = _TASK_LINE.search(path.read_bytes())
        if match is not None:
            found.setdefault(match[1].decode(errors="replace"), path)
    return found


class _Loader(yaml.SafeLoader):
    """Safe, and leaves `!function` and other tags as text."""


def _as_text(loader: yaml.SafeLoader, _tag: str, node: yaml.Node) -> str | None:
    return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None


_Loader.add_multi_constructor("!", _as_text)


def _config(path: Path, seen: frozenset[Path]) -> dict[str, Any]:
    path = path.resolve()
    if path in seen:
        raise TaskDataError(f"{path}: includes itself")
    try:
        config = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise TaskDataError(f"{path}: {error}") from error
    if not isinstance(config, dict):
        raise TaskDataError(f"{path}: not a mapping")
    merged: dict[str, Any] = {}
    for include in _includes(config):
        merged |= _config(path.parent / include, seen | {path})
    return merged | config


def _includes(config: dict[str, Any]) -> Iterator[str]:
    includes = config.pop("include", [])
    yield from [includes] if isinstance(includes, str) else includes
