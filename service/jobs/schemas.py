"""How a job, and the estimate of one, leave the API."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from service.sources.schemas import FetchView
from service.tables import Job
from service.trials.repository import Progress


class BestSoFar(BaseModel):
    """The trial of the highest fitness on the search split."""

    trial: int
    fitness: float


Priority = Annotated[
    int,
    Field(
        ge=1,
        le=100,
        description="Jobs share the workers in proportion to their priorities.",
    ),
]


class PriorityChange(BaseModel):
    """A job's share of the workers from now on."""

    model_config = ConfigDict(extra="forbid")

    priority: Priority


class StageView(BaseModel):
    """How far a stage is."""

    name: str
    trials: int = Field(description="Trials so far, ended or not.")
    total: int | None = Field(
        description="Trials that it will have at most; those it had, once it has ended; null where "
        "its budget has no limit on trials."
    )
    ended_by: str | None = Field(
        description="trials, items, tokens, seconds, patience or nothing new, once it has ended."
    )

    @classmethod
    def all_of(
        cls,
        job: Job,
        counts: Mapping[str, int],
        endings: Sequence[Mapping[str, Any]],
        renewals: Collection[tuple[str, int]] = (),
    ) -> list[StageView]:
        """The stages of a job in order, from its trials by stage and the ends of stages.

        One that was given more budget after so many trials, as `renewals` say, has not ended there.
        """
        ended = {
            one["stage"]: one
            for one in endings
            if one["trials"] == counts.get(one["stage"])
            and (one["stage"], one["trials"]) not in renewals
        }
        views = []
        for stage in job.spec["stages"]:
            name, count = stage["name"], counts.get(stage["name"], 0)
            over = name in ended
            total = count if over else stage["budget"]["trials"]
            limit = ended[name]["limit"] if over else None
            views.append(cls(name=name, trials=count, total=total, ended_by=limit))
        return views


class JobView(BaseModel):
    """A job at a glance."""

    id: str
    owner: str
    name: str
    state: str = Field(
        description="queued, running, pausing, paused, cancelling, finished, failed or cancelled"
    )
    phase: str = Field(
        description="fetch, queued, parents, prepare, search, select, holdout or ended"
    )
    fetch: FetchView | None = Field(
        description="In the phase fetch: how far the models are that have to come first."
    )
    reason: str | None = Field(description="Why the job failed, if it did.")
    priority: int = Field(description="Its weight among the jobs that share the workers.")
    trials_total: int | None = Field(
        description="Trials that it will have at most; null where a budget sets no limit on them."
    )
    stages: list[StageView]
    trials_finished: int = Field(description="Trials that ended with a score.")
    trials_stopped: int = Field(description="Those of them that racing stopped early.")
    trials_estimated: int = Field(description="Those of them that were scored on anchors alone.")
    trials_failed: int = Field(description="Trials that ended without one.")
    search_tokens: int = Field(description="Tokens generated for all trials on the search split.")
    best: BestSoFar | None
    tags: list[str]
    version: int = Field(description="Counts the edits of notes and tags.")
    winner: int | None = Field(description="The trial fixed on the select split, once it is.")
    search_seconds: float = Field(description="From the first trial's start to the last one's end.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(
        cls,
        job: Job,
        progress: Progress,
        stages: list[StageView],
        tags: list[str],
        fetch: FetchView | None = None,
    ) -> JobView:
        """The view of a job row, its progress and that of its stages."""
        best = None
        if progress.best is not None and progress.best_fitness is not None:
            best = BestSoFar(trial=progress.best, fitness=progress.best_fitness)
        seconds = 0.0
        if progress.first_created and progress.last_finished:
            seconds = (progress.last_finished - progress.first_created).total_seconds()
        return cls(
            id=job.id,
            owner=job.owner,
            name=job.name,
            state=job.state,
            phase=job.phase,
            fetch=fetch,
            reason=job.reason,
            priority=job.priority,
            trials_total=_total(stages),
            stages=stages,
            trials_finished=progress.finished,
            trials_stopped=progress.stopped,
            trials_estimated=progress.estimated,
            trials_failed=progress.failed,
            search_tokens=progress.tokens,
            best=best,
            tags=tags,
            version=job.version,
            winner=job.winner,
            search_seconds=seconds,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
        )


class JobDetail(JobView):
    """A job with its spec, the content digests of its models, and its notes."""

    notes: str
    spec: dict[str, Any]
    model_digests: dict[str, str]


class StageEstimate(BaseModel):
    """What one stage searches over, and what it spends at most."""

    name: str
    dimension: int = Field(description="How many genes it searches over.")
    genes: list[str] = Field(description="Their names, in the order of a genome.")
    trials: int | None = Field(description="Null where the budget has no limit on trials.")
    items: int | None = Field(description="Items that its trials are scored on, at most.")
    tokens: int | None = Field(description="Tokens that are generated for them, at most.")


class Memory(BaseModel):
    """Bytes of weights; statistics and activations come on top."""

    parents: int = Field(
        description="All models' weights, mapped once for all workers of a machine."
    )
    child: int = Field(description="The child of a parameter space, once a worker.")


class Estimate(BaseModel):
    """A spec that can run here, and what its search will cost."""

    name: str
    items_per_trial: int | None = Field(
        description="Items of the search split; fewer where the allocation stops a trial early."
    )
    stages: list[StageEstimate]
    memory: Memory


def _total(stages: list[StageView]) -> int | None:
    totals = [stage.total for stage in stages if stage.total is not None]
    return sum(totals) if len(totals) == len(stages) else None
