"""Events: appended in the transaction of what they report, read by a cursor."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.tables import Event, EventCursor, Job, now


def append(session: Session, job_id: str, kind: str, data: dict[str, Any]) -> None:
    """Record that something happened; it is visible when the session's transaction commits.

    Writing transactions follow one another, so events become visible in the order of their
    cursors: who has read one misses none before it.
    """
    step = update(EventCursor).values(last=EventCursor.last + 1).returning(EventCursor.last)
    cursor = session.scalars(step.execution_options(synchronize_session=False)).one()
    session.add(Event(id=cursor, job_id=job_id, kind=kind, data=data, created_at=now()))


def after(
    session: Session,
    cursor: int,
    job_id: str | None = None,
    limit: int = 500,
    *,
    owner: str | None = None,
    kinds: Sequence[str] = (),
) -> Sequence[Event]:
    """Events with a greater cursor, oldest first; of one job, owner or some kinds, or all."""
    query = select(Event).where(Event.id > cursor).order_by(Event.id).limit(limit)
    if job_id is not None:
        query = query.where(Event.job_id == job_id)
    if kinds:
        query = query.where(Event.kind.in_(kinds))
    if owner is not None:
        query = query.where(Event.job_id.in_(select(Job.id).where(Job.owner == owner)))
    return session.scalars(query).all()


def with_owners(session: Session, cursor: int, limit: int = 500) -> Sequence[tuple[Event, str]]:
    """Events with a greater cursor, oldest first, each with the owner of its job."""
    query = select(Event, Job.owner).join(Job, Job.id == Event.job_id).where(Event.id > cursor)
    found = session.execute(query.order_by(Event.id).limit(limit))
    return [(event, owner) for event, owner in found]


class Told(NamedTuple):
    """What one event says, and when it was said."""

    cursor: int
    data: dict[str, Any]
    at: datetime


def told(session: Session, job_id: str, kinds: Sequence[str], since: int, limit: int) -> list[Told]:
    """What a job's events of some kinds say, those after a cursor, oldest first."""
    query = (
        select(Event.id, Event.data, Event.created_at)
        .where(Event.job_id == job_id, Event.id > since, Event.kind.in_(kinds))
        .order_by(Event.id)
        .limit(limit)
    )
    return [Told(*row) for row in session.execute(query)]


def data_of(session: Session, job_id: str, kind: str) -> list[dict[str, Any]]:
    """What a job's events of one kind say, oldest first."""
    query = select(Event.data).where(Event.job_id == job_id, Event.kind == kind).order_by(Event.id)
    return list(session.scalars(query))


def latest(session: Session, job_id: str, kind: str) -> dict[str, Any] | None:
    """What a job's last event of one kind says; None before the first."""
    query = select(Event.data).where(Event.job_id == job_id, Event.kind == kind)
    return session.scalars(query.order_by(Event.id.desc()).limit(1)).first()


def newest(session: Session) -> int:
    """The cursor of the latest event; 0 before the first."""
    return session.scalars(select(EventCursor.last)).one()
