"""What travels between the controller and the workers: plain data, no model, no tensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from evaluators.task import Split
from search.spec import Answer


@dataclass(frozen=True)
class Context:
    """What a worker must hold to build and score a job's candidates.

    `models` maps each name that recipes use to the folder of its checkpoint, `tasks` each task to
    its metric, and `search_metrics` those that have another one on the search split to that.
    `digests` are those of the models' content: a worker holds on to what it has loaded
    only while they are the same. `search_items` limits the search split to its first items.
    `statistics` is the folder for what is computed once from models; without one it is computed
    by every worker. `chat` maps tasks whose prompts are turns of a chat to the folder of the model
    whose template and end tokens that chat has, and `answers` those that are not answered as they
    ask themselves to the way in which they are; `seed` draws the samples of answers.
    """

    models: Mapping[str, Path]
    digests: Mapping[str, str]
    tasks: Mapping[str, str]
    tasks_dir: Path | None
    search_items: int | None
    device: str
    statistics: Path | None = None
    chat: Mapping[str, Path] = field(default_factory=dict)
    answers: Mapping[str, Answer] = field(default_factory=dict)
    search_metrics: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True)
class Evaluate:
    """Build the recipe's child and score it on one split. `recipe` is JSON.

    `places` limits it to the items at these places, by task; a task without any is left out.
    `answers` and `questions` say whether what is written comes back, and what was asked.
    """

    id: str
    context: Context
    recipe: str
    split: Split
    timeout_seconds: float
    places: Mapping[str, tuple[int, ...]] | None = None
    answers: bool = False
    questions: bool = False


@dataclass(frozen=True)
class WriteCheckpoint:
    """Build the recipe's child and write it to `folder`. `recipe` is JSON, and so are `steps`, the
    recipes of the children that it names, by name. `documents` are texts to lay beside the model,
    by file name, and `gguf` says whether it is written as a GGUF file too."""

    id: str
    context: Context
    recipe: str
    folder: Path
    timeout_seconds: float
    steps: Mapping[str, str] = field(default_factory=dict)
    documents: Mapping[str, str] = field(default_factory=dict)
    gguf: bool = False


@dataclass(frozen=True)
class Prepare:
    """Compute what the recipe's method needs to know of one model or, for None, of all of them
    together, unless a file holds it already. `recipe` is JSON."""

    id: str
    context: Context
    recipe: str
    model: str | None
    timeout_seconds: float


Work = Evaluate | WriteCheckpoint | Prepare


@dataclass(frozen=True)
class TaskScores:
    """Item scores on one task, in the order of the task's items, and what went wrong how often.

    `failures` counts failed programs by how they failed, `agreed` the items to which a chain of
    thought and a program give the same answer, None where that was not looked at.
    """

    values: tuple[float, ...]
    truncated: int
    no_answer: int
    wrong_language: int
    tokens: int
    failures: Mapping[str, int] = field(default_factory=dict)
    agreed: int | None = None

    @property
    def mean(self) -> float:
        """The mean of the item scores, in [0, 1]."""
        return sum(self.values) / len(self.values)


class Question(NamedTuple):
    """What an item asks, and its reference."""

    text: str
    reference: str


@dataclass(frozen=True)
class Result:
    """How a piece of work ended: with `scores` by task (of an evaluation), or a `reason`.

    `numbers` are the joint statistics that were prepared, by name. `items` are digests of the items
    that were scored, by task, where they were a whole split. `parameters` is the child's size.
    `answers` are what the child wrote, and `questions` what it was asked, by task in the order of
    the scores, where that was wanted; a task that is scored by likelihood has no answers.
    """

    id: str
    worker: str
    scores: Mapping[str, TaskScores]
    reason: str | None
    merge_seconds: float
    score_seconds: float
    numbers: Mapping[str, Sequence[float]] = field(default_factory=dict)
    items: Mapping[str, str] = field(default_factory=dict)
    parameters: int | None = None
    answers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    questions: Mapping[str, Sequence[Question]] = field(default_factory=dict)
