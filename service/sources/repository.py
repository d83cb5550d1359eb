"""Jobs whose models are still to come: which they are, how far it is, and its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.events import repository as events
from service.exports import repository as exports
from service.jobs import repository as jobs
from service.sources.schemas import FetchView
from service.tables import Export, Job

_WAITING = ("queued", "running")


def waiting(session: Session) -> Sequence[Job]:
    """Jobs in the phase, the oldest first."""
    query = select(Job).where(Job.phase == jobs.FETCH, Job.state.in_(_WAITING))
    return session.scalars(query.order_by(Job.created_at, Job.id)).all()


def wanted(session: Session) -> Sequence[Job]:
    """Jobs that need their models: those that have not ended, and those with an export to write."""
    exported = select(Export.job_id).where(Export.state == "queued")
    ended = [*jobs.ENDED, jobs.DELETED]
    query = select(Job).where(Job.state.not_in(ended) | Job.id.in_(exported))
    return session.scalars(query).all()


def exporting(session: Session) -> list[Job]:
    """Ended jobs with an export to write."""
    found = {row.job_id for row in exports.in_state(session, "queued")}
    return [job for job in wanted(session) if job.id in found and job.state in jobs.ENDED]


def progressed(session: Session, job_id: str, view: FetchView) -> None:
    """Say how far it is, unless that was said last."""
    data = view.model_dump()
    if events.latest(session, job_id, "job.fetch") != data:
        events.append(session, job_id, "job.fetch", data)


def view_of(session: Session, job: Job) -> FetchView | None:
    """How far the job's models are; None once they are here."""
    if job.phase != jobs.FETCH:
        return None
    found = events.latest(session, job.id, "job.fetch")
    return FetchView.model_validate(found or {"step": "fetching", "done": 0, "size": 0})


def arrived(session: Session, job_id: str, digests: Mapping[str, str]) -> None:
    """Record what the models hold, and let the job be taken up."""
    job = jobs.get(session, job_id)
    job.model_digests = {**job.model_digests, **digests}
    if job.phase == jobs.FETCH:
        jobs.enter_phase(session, job_id, "queued")


def missed(session: Session, job_id: str, reason: str) -> None:
    """End the job, or the exports of one that has ended: its models cannot be had."""
    if jobs.get(session, job_id).state not in jobs.ENDED:
        jobs.end(session, job_id, "failed", reason)
    for export in exports.in_state(session, "queued"):
        if export.job_id == job_id:
            exports.end(session, export.id, reason)
