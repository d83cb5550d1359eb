"""What the controller asks of an allocation: how much of the search split a trial is scored on.

All that an allocation decides follows from the spec and the recorded log, so that a life begun anew
decides the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from search.item_blocks import Block
from service.controller.errors import NoChild
from service.evaluations.repository import Recorded, Subject
from service.tables import Trial
from service.trials.repository import Scored
from workers.work import Result


@dataclass(frozen=True)
class JobLog:
    """What is recorded of a job, which grows as it goes on.

    `trials` by number, `recorded` by subject and split, `blocks` by trial and number. `models` are
    the aliases of models by the digests of recipes that are those models: it follows from the spec.
    """

    job_id: str
    trials: dict[int, Trial]
    recorded: dict[tuple[Subject, str], Recorded]
    blocks: dict[int, dict[int, Result]]
    models: dict[str, str] = field(default_factory=dict)

    def scored_whole(self) -> list[Trial]:
        """Trials that were scored on all items of the search split, in order of number."""
        return [trial for trial in self.trials.values() if trial.state == "finished"]

    def item_counts(self) -> dict[str, int]:
        """How many items of the search split there are, by task: what the parents were scored on.

        Raises NoChild if no parent could be scored.
        """
        for recorded in self.parents().values():
            return {task: score.n for task, score in recorded.scores.items()}
        raise NoChild("no parent could be scored; the reasons are in the evaluations")

    def parents(self) -> dict[str, Recorded]:
        """By alias, the models that could be scored on the search split, all of which is scored."""
        return {
            subject.label: recorded
            for (subject, split), recorded in self.recorded.items()
            if subject.kind == "parent" and split == "search" and recorded.reason is None
        }


@dataclass(frozen=True)
class Verdict:
    """A trial has ended: it is scored on no further block.

    `blocks` are those that it was scored on, in order. If they do not hold all items, its fitness
    is the `estimate`.
    """

    blocks: Sequence[Block]
    state: Scored
    estimate: float | None = None


class Allocation(Protocol):
    """How the items of the search split are shared out."""

    def blocks(self, trial: Trial) -> Sequence[Block | None]:
        """What the trial has to be scored on now, in any order: the blocks that are missing, or,
        None, all items at once."""
        ...

    def judge(self, trial: Trial, scored: Mapping[int, Result]) -> Verdict | Sequence[Block]:
        """What follows from the trial's scores on its blocks so far, by number: its end, or further
        blocks; none while others are on their way."""
        ...

    def elite(self, top_k: int) -> list[int]:
        """Numbers of the trials to be scored whole before `top_k` finalists are chosen."""
        ...


class EveryFinalistIsWhole:
    """An allocation whose best trials are scored whole as they come."""

    def elite(self, top_k: int) -> list[int]:
        return []
