"""What a stage may know before its first trial, as a user says it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class KnownTrial(_Part):
    """A genome by the names of its genes, and the fitness that it had."""

    genes: dict[str, float] = Field(min_length=1, max_length=100_000)
    fitness: float


class FromJob(_Part):
    """The trials of another job's stage that were scored whole by then."""

    job: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    stage: str


class FromTrials(_Part):
    """A table of trials."""

    trials: tuple[KnownTrial, ...] = Field(min_length=1, max_length=10_000)


WarmStart = FromJob | FromTrials
