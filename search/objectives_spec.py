"""What a search is after, as a user says it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Weighted(_Part):
    """One objective: the mean of the task scores, weighted by the tasks' weights."""

    kind: Literal["weighted"] = "weighted"


class Pareto(_Part):
    """Several objectives, of which none is traded for another.

    Each of `over` is the name of a task (its mean score), `size` (the child's number of parameters,
    the fewer the better) or `speed` (tokens generated a second on the search split, measured once
    when a child is scored there).
    """

    kind: Literal["pareto"]
    over: tuple[str, ...] = Field(min_length=2, max_length=8)


Objectives = Annotated[Weighted | Pareto, Field(discriminator="kind")]


class Constraint(_Part):
    """A task score that a child has to reach: `at_least`, or so many times the score of the model
    `of`."""

    task: str
    at_least: float = Field(gt=0, le=100)
    of: str | None = None
