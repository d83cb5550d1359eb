"""More budget for a job that has finished.

The last stage goes on where it stopped: its sampler is brought back by replaying the trial log. An
earlier stage cannot, as the stages after it are built on what it had found. Finalists are chosen
and the winner is fixed anew, and the holdout is looked at once more, which its ledger shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from search.errors import FieldError, SpecError
from search.spec import SearchSpec
from service.errors import Conflict, Invalid
from service.events import repository as events
from service.jobs import repository as jobs
from service.jobs.schemas import StageView
from service.tables import Extension, Job, now
from service.trials import repository as trials


class MoreBudget(BaseModel):
    """What the last stage may spend on top; each limit must be one that its budget has."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    trials: int | None = Field(default=None, ge=1, le=1_000_000)
    items: int | None = Field(default=None, ge=1, lt=2**53)
    tokens: int | None = Field(default=None, ge=1, lt=2**53)
    seconds: float | None = Field(default=None, gt=0, le=1e9)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.given():
            raise ValueError("give more of something: trials, items, tokens or seconds")
        return self

    def given(self) -> dict[str, float]:
        """The limits that are raised, and by how much."""
        given: dict[str, float] = self.model_dump(exclude_none=True)
        return given


def extend(session: Session, job_id: str, more: MoreBudget) -> Job:
    """Give a finished job's last stage more budget, and queue the job.

    A plateau is waited for anew. Raises NotFound, Conflict if the job has not finished, and Invalid
    if a limit is none of the stage's, or not the one that ended it.
    """
    job = jobs.get(session, job_id)
    if job.state != "finished":
        raise Conflict(f"the job is {job.state}; only a finished one can be extended")
    counts = trials.progress(session, job_id).by_stage
    stage = StageView.all_of(job, counts, events.data_of(session, job_id, "stage.ended"))[-1]
    budget = job.spec["stages"][-1]["budget"]
    spec = _extended(job.spec, _raised(budget, more.given(), stage))
    done = select(func.count()).where(Extension.job_id == job_id)
    number = (session.scalar(done) or 0) + 1
    session.add(
        Extension(
            job_id=job_id,
            number=number,
            stage=stage.name,
            trials=stage.trials,
            added=more.given(),
            created_at=now(),
        )
    )
    jobs.reopen(job, spec)
    events.append(session, job_id, "job.extended", {"stage": stage.name, "added": more.given()})
    return job


def renewals(session: Session, job_id: str) -> set[tuple[str, int]]:
    """Which stages were given more budget, each after how many of its trials."""
    query = select(Extension.stage, Extension.trials).where(Extension.job_id == job_id)
    return {(stage, count) for stage, count in session.execute(query)}


def _raised(
    budget: Mapping[str, Any], given: Mapping[str, float], stage: StageView
) -> dict[str, Any]:
    for name in given:
        if budget[name] is None:
            message = f"the budget of stage {stage.name!r} has no limit on {name}"
            raise Invalid([FieldError(name, message)])
    if stage.ended_by in budget and stage.ended_by not in (*given, "patience"):
        message = f"stage {stage.name!r} ended by its limit on {stage.ended_by}: raise that one"
        raise Invalid([FieldError(str(stage.ended_by), message)])
    return {**budget, **{name: budget[name] + added for name, added in given.items()}}


def _extended(spec: Mapping[str, Any], budget: dict[str, Any]) -> dict[str, Any]:
    *stages, last = spec["stages"]
    try:
        whole = SearchSpec.parse({**spec, "stages": [*stages, {**last, "budget": budget}]})
    except SpecError as error:
        raise Invalid(error.errors) from error
    return whole.model_dump(mode="json")
