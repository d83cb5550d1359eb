"""How trials leave the API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from service.evaluations.repository import Recorded
from service.evaluations.schemas import EvaluationView
from service.events.repository import Told
from service.tables import Trial

# What events of earlier versions do not say has these values.
_COLUMNS = {
    "trial": None,
    "stage": None,
    "generation": None,
    "state": None,
    "fitness": None,
    "n": 0,
    "tokens": 0,
    "shortfall": 0.0,
    "same_as": None,
    "reason": None,
}

TrialState = Literal["pending", "finished", "stopped", "estimated", "failed"]


class TrialView(BaseModel):
    """One candidate: what the sampler proposed, and how it did."""

    number: int
    stage: str
    generation: int
    state: str = Field(description="pending, finished, stopped, estimated or failed")
    fitness: float | None = Field(description="An estimate if the trial was stopped or estimated.")
    censored: bool = Field(description="Whether it was stopped before all items were scored.")
    estimate: float | None = Field(
        description="What the sampler was told, if that is an estimate from anchors."
    )
    estimate_n: int | None = Field(description="Anchors that the estimate is from.")
    n: int = Field(description="Items of the search split that it was scored on.")
    tokens: int = Field(description="Tokens generated for it on the search split.")
    same_as: int | None = Field(
        description="The earlier trial of the same digest whose scores it has."
    )
    objectives: list[float] | None = Field(
        description="Where there are several: one number each, in the order of the spec, higher is "
        "better; a size is negative."
    )
    constraints: list[float] | None = Field(
        description="By how much each constraint is missed; at most 0 where it is met."
    )
    shortfall: float = Field(description="By how much constraints are missed in all.")
    reason: str | None
    digest: str = Field(description="The recipe's canonical digest: same digest, same child.")
    genome: list[float]
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, trial: Trial) -> TrialView:
        """The view of one trial row."""
        return cls.model_validate(trial, from_attributes=True)


class TrialDetail(TrialView):
    """A trial with everything that was scored of it."""

    recipe: dict[str, Any] = Field(description="In mergekit's vocabulary.")
    evaluations: list[EvaluationView]
    items: dict[str, dict[str, list[float]]] = Field(
        description="By split and task, the score of each item, in the order of the task's items."
    )

    @classmethod
    def whole(cls, trial: Trial, found: Sequence[Recorded]) -> TrialDetail:
        """The view of a trial row and its evaluations."""
        return cls(
            **TrialView.of(trial).model_dump(),
            recipe=trial.recipe,
            evaluations=[EvaluationView.of(one) for one in found],
            items={one.split: one.values() for one in found},
        )


class HistoryView(BaseModel):
    """Ended trials as columns of one length, in the order in which they ended."""

    cursor: int = Field(description="Ask for what comes after it next.")
    trial: list[int]
    stage: list[str]
    generation: list[int]
    state: list[str]
    fitness: list[float | None]
    n: list[int]
    tokens: list[int]
    shortfall: list[float] = Field(description="By how much constraints are missed in all.")
    same_as: list[int | None] = Field(description="The earlier trial whose scores it has.")
    reason: list[str | None] = Field(description="Why it failed, if it did.")
    at: list[datetime]

    @classmethod
    def of(cls, since: int, found: Sequence[Told]) -> HistoryView:
        """The columns of the events that tell of trials' ends."""
        columns: dict[str, list[Any]] = {
            name: [event.data.get(name, missing) for event in found]
            for name, missing in _COLUMNS.items()
        }
        at = [event.at for event in found]
        return cls(**columns, at=at, cursor=found[-1].cursor if found else since)


class FrontPoint(BaseModel):
    """A child that no other is better than in every objective."""

    trial: int
    stage: str
    digest: str
    fitness: float | None
    objectives: dict[str, float] = Field(description="By name; a size is a number of parameters.")


class BestView(BaseModel):
    """The best child: the winner once it is fixed, before that the best on the search split."""

    trial: int
    final: bool = Field(description="Whether the winner is fixed.")
    recipe_digest: str
    recipe: str = Field(description="YAML in mergekit's vocabulary.")
    evaluations: list[EvaluationView]
