"""A job's result as it leaves the API: the winner beside all that it has to beat."""

from __future__ import annotations

from pydantic import BaseModel, Field

from service.evaluations.schemas import Accuracy, TaskComparison
from service.holdouts.schemas import HoldoutUseView


class Finalist(BaseModel):
    """A finalist's fitness on each split, and how much of it did not last.

    Choosing the best of many by a noisy score picks luck as well as skill: `optimism` is what of
    the search's score is missing on items that played no part in the choice. There is none where
    the search went by another metric.
    """

    trial: int
    search: float | None
    select: float | None
    holdout: float | None = Field(description="Of a winner alone: no other is scored on it.")
    optimism_select: float | None = Field(description="Search less select.")
    optimism: float | None = Field(description="Search less holdout.")


class Contender(BaseModel):
    """What one subject scored on holdout, and the winner against it."""

    kind: str = Field(description="trial, parent, average or grid; trial: an earlier winner")
    label: str
    name: str = Field(description="The label in words.")
    reason: str | None
    accuracies: dict[str, Accuracy]
    against_winner: dict[str, TaskComparison] = Field(
        description="By task, the winner first; empty for the winner itself."
    )


class ConstraintView(BaseModel):
    """A constraint, and what the winner scores where it was measured."""

    task: str
    split: str
    needed: float
    reached: float
    met: bool


class ResultView(BaseModel):
    """How the search ended: holdout, optimism, and how often this holdout was looked at."""

    winner: int | None
    finalists: list[Finalist] = Field(description="Best first, by their fitness on select.")
    holdout: list[Contender] = Field(description="The winner first.")
    constraints: list[ConstraintView] = Field(description="Of the winner, split by split.")
    uses: list[HoldoutUseView]
    warnings: list[str]
