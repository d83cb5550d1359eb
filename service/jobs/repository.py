"""Jobs in the database: created, found, moved from state to state."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.errors import Conflict, NotFound
from service.events import repository as events
from service.tables import LOCAL_OWNER, Job, now

ACTIVE = ("queued", "running", "pausing", "cancelling")
AT_WORK = ("running", "pausing", "cancelling")
"""States of a job that was taken up; one that is paused has no worker."""
ENDED = ("finished", "failed", "cancelled")
DELETED = "deleted"
FETCH = "fetch"
"""The phase of a job whose models are fetched or converted."""

PRIORITY = 10


def create(
    session: Session,
    name: str,
    spec: dict[str, Any],
    model_digests: Mapping[str, str],
    priority: int = PRIORITY,
    *,
    owner: str = LOCAL_OWNER,
    phase: str = "queued",
) -> Job:
    """A new job, queued; in the phase `FETCH` it waits for its models first."""
    job = Job(
        id=uuid.uuid4().hex,
        owner=owner,
        name=name,
        spec=spec,
        state="queued",
        phase=phase,
        model_digests=dict(model_digests),
        priority=priority,
        created_at=now(),
    )
    session.add(job)
    session.flush()
    events.append(session, job.id, "job.created", {"name": name})
    return job


def get(session: Session, job_id: str) -> Job:
    """The job of this id. Raises NotFound."""
    job = session.get(Job, job_id)
    if job is None or job.state == DELETED:
        raise NotFound(f"there is no job {job_id!r}")
    return job


def active(session: Session) -> Sequence[Job]:
    """Jobs that have not ended, oldest first."""
    query = select(Job).where(Job.state.in_(ACTIVE)).order_by(Job.created_at, Job.id)
    return session.scalars(query).all()


def start(session: Session, job_id: str) -> None:
    """Queued to running; a running job that is taken up again keeps its starting time."""
    job = get(session, job_id)
    if job.state == "queued":
        job.state = "running"
        job.started_at = job.started_at or now()
        events.append(session, job_id, "job.started", {})


def enter_phase(session: Session, job_id: str, phase: str) -> None:
    """Say what the job does now."""
    job = get(session, job_id)
    if job.phase != phase:
        job.phase = phase
        events.append(session, job_id, "job.phase", {"phase": phase})


def fix_winner(session: Session, job_id: str, number: int) -> None:
    """Fix the winner, before anything is scored on holdout."""
    job = get(session, job_id)
    if job.winner is None:
        job.winner = number
        events.append(session, job_id, "job.winner", {"trial": number})


def reopen(job: Job, spec: dict[str, Any]) -> None:
    """Queue an ended job again, with another spec and no winner yet."""
    job.spec = spec
    job.state = job.phase = "queued"
    job.reason = job.winner = job.finished_at = None


def end_stage(session: Session, job_id: str, stage: str, count: int, limit: str | None) -> None:
    """Say once that a stage has ended after so many trials, and by which limit."""
    data = {"stage": stage, "trials": count, "limit": limit}
    if data not in events.data_of(session, job_id, "stage.ended"):
        events.append(session, job_id, "stage.ended", data)


def set_priority(session: Session, job_id: str, priority: int) -> Job:
    """Change the job's share of the workers. Raises NotFound, or Conflict once it has ended."""
    job = get(session, job_id)
    if job.state in ENDED:
        raise Conflict(f"the job is {job.state} already")
    if job.priority != priority:
        job.priority = priority
        events.append(session, job_id, "job.priority", {"priority": priority})
    return job


def request_cancel(session: Session, job_id: str) -> Job:
    """Ask the controller to stop the job. Raises NotFound, or Conflict once it has ended."""
    job = get(session, job_id)
    if job.state in ENDED:
        raise Conflict(f"the job is {job.state} already")
    if job.state != "cancelling":
        job.state = "cancelling"
        events.append(session, job_id, "job.cancelling", {})
    return job


def request_pause(session: Session, job_id: str, *, at_once: bool) -> Job:
    """Let the job rest once what is being evaluated has ended, or at once: then that is begun anew
    later. Raises NotFound, or Conflict unless the job is at work or waits for it."""
    job = get(session, job_id)
    if job.state not in {"queued", "running", "pausing", "paused"}:
        raise Conflict(f"the job is {job.state}; there is nothing to pause")
    wanted = "paused" if at_once or job.state in {"queued", "paused"} else "pausing"
    if job.state != wanted:
        job.state = wanted
        events.append(session, job_id, f"job.{wanted}", {})
    return job


def settle_pause(session: Session, job_id: str) -> None:
    """Pausing to paused, once nothing is being evaluated any more."""
    job = get(session, job_id)
    if job.state == "pausing":
        job.state = "paused"
        events.append(session, job_id, "job.paused", {})


def resume(session: Session, job_id: str) -> Job:
    """Let a paused job go on where it was. Raises NotFound, and Conflict if it does not rest."""
    job = get(session, job_id)
    if job.state not in {"pausing", "paused"}:
        raise Conflict(f"the job is {job.state}; only a paused one can be resumed")
    # A job that is pausing has not been left yet.
    job.state = "running" if job.state == "pausing" else "queued"
    events.append(session, job_id, "job.resumed", {})
    return job


def end(session: Session, job_id: str, state: str, reason: str | None = None) -> None:
    """Move the job to one of the ended states."""
    job = get(session, job_id)
    if job.state == "cancelling":
        # Who asked for it was told that it would be; the last result may have come since.
        state = "cancelled"
    job.state = state
    job.phase = "ended"
    job.reason = reason
    job.finished_at = now()
    events.append(session, job_id, f"job.{state}", {"reason": reason})
