"""How a job leaves the API."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from service.tables import Job
from service.trials.repository import Progress


class BestSoFar(BaseModel):
    """The trial of the highest fitness on the search split."""

    trial: int
    fitness: float


class JobView(BaseModel):
    """A job at a glance."""

    id: str
    name: str
    state: str = Field(description="queued, running, cancelling, finished, failed or cancelled")
    phase: str = Field(description="queued, parents, prepare, search, select, holdout or ended")
    reason: str | None = Field(description="Why the job failed, if it did.")
    trials_total: int
    trials_finished: int = Field(description="Trials that ended with a score.")
    trials_stopped: int = Field(description="Those of them that racing stopped early.")
    trials_estimated: int = Field(description="Those of them that were scored on anchors alone.")
    trials_failed: int = Field(description="Trials that ended without one.")
    search_tokens: int = Field(description="Tokens generated for all trials on the search split.")
    best: BestSoFar | None
    winner: int | None = Field(description="The trial fixed on the select split, once it is.")
    search_seconds: float = Field(description="From the first trial's start to the last one's end.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, job: Job, progress: Progress) -> JobView:
        """The view of a job row and its progress."""
        best = None
        if progress.best is not None and progress.best_fitness is not None:
            best = BestSoFar(trial=progress.best, fitness=progress.best_fitness)
        seconds = 0.0
        if progress.first_created and progress.last_finished:
            seconds = (progress.last_finished - progress.first_created).total_seconds()
        return cls(
            id=job.id,
            name=job.name,
            state=job.state,
            phase=job.phase,
            reason=job.reason,
            trials_total=sum(stage["budget"]["trials"] for stage in job.spec["stages"]),
            trials_finished=progress.finished,
            trials_stopped=progress.stopped,
            trials_estimated=progress.estimated,
            trials_failed=progress.failed,
            search_tokens=progress.tokens,
            best=best,
            winner=job.winner,
            search_seconds=seconds,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
        )


class JobDetail(JobView):
    """A job with its spec and the content digests of its models."""

    spec: dict[str, Any]
    model_digests: dict[str, str]
