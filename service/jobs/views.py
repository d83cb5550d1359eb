"""A job's view, gathered from what the database has of it."""

from __future__ import annotations

from sqlalchemy.orm import Session

from service.events import repository as events
from service.jobs.editing import tags_of
from service.jobs.extending import renewals
from service.jobs.schemas import JobDetail, JobView, StageView
from service.sources import repository as sources
from service.tables import Job
from service.trials import repository as trials


def view_of(session: Session, job: Job) -> JobView:
    """The job at a glance."""
    progress = trials.progress(session, job.id)
    endings = events.data_of(session, job.id, "stage.ended")
    views = StageView.all_of(job, progress.by_stage, endings, renewals(session, job.id))
    fetch = sources.view_of(session, job)
    return JobView.of(job, progress, views, tags_of(session, job.id), fetch)


def detail_of(session: Session, job: Job) -> JobDetail:
    """The job with its spec, its models and its notes."""
    view = view_of(session, job)
    return JobDetail(
        **view.model_dump(), spec=job.spec, model_digests=job.model_digests, notes=job.notes
    )
