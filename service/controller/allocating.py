"""What the controller asks of an allocation: how much of the search split a trial is scored on.

All that an allocation decides follows from the spec and the recorded log, so that a life begun anew
decides the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from search.racing import Block
from service.evaluations.repository import Recorded, Subject
from service.tables import Trial
from service.trials.repository import Scored
from workers.work import Result


@dataclass(frozen=True)
class JobLog:
    """What is recorded of a job: the controller's own dictionaries, which grow as it goes on.

    `trials` by number, `recorded` by subject and split, `blocks` by trial, in their order.
    """

    trials: Mapping[int, Trial]
    recorded: Mapping[tuple[Subject, str], Recorded]
    blocks: Mapping[int, Sequence[Result]]

    def scored_whole(self) -> list[Trial]:
        """Trials that were scored on all items of the search split, in order of number."""
        return [trial for trial in self.trials.values() if trial.state == "finished"]

    def parents(self) -> dict[str, Recorded]:
        """By alias, the models that could be scored on the search split, all of which is scored."""
        return {
            subject.label: recorded
            for (subject, split), recorded in self.recorded.items()
            if subject.kind == "parent" and split == "search" and recorded.reason is None
        }


@dataclass(frozen=True)
class Verdict:
    """A trial is scored on no further block.

    `blocks` are those that it was scored on, in order. If they do not hold all items, its fitness
    is the `estimate`.
    """

    blocks: Sequence[Block]
    state: Scored
    estimate: float | None = None


class Allocation(Protocol):
    """How the items of the search split are shared out."""

    def next_block(self, trial: Trial) -> Block | None:
        """What the trial is scored on next; None for all items at once."""
        ...

    def judge(self, trial: Trial, scored: Sequence[Result]) -> Verdict | None:
        """What follows from the trial's scores on its blocks so far; None: its next block."""
        ...


class Full:
    """Every trial is scored on all items at once."""

    def next_block(self, trial: Trial) -> Block | None:
        return None

    def judge(self, trial: Trial, scored: Sequence[Result]) -> Verdict | None:
        return None
