"""How trials leave the API."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from service.evaluations.schemas import EvaluationView
from service.tables import Trial


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
