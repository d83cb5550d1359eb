"""What panels need of the database that no other part asks for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from service.tables import Block, Evaluation, Event, Trial


class Ended(NamedTuple):
    """A trial that has ended; `fitness` is None unless it was scored on all items."""

    number: int
    fitness: float | None
    at: datetime | None


class Stint(NamedTuple):
    """One piece of work of one worker, which ended at `at`."""

    worker: str
    subject: str
    split: str
    merge_seconds: float
    score_seconds: float
    at: datetime


def ended_trials(session: Session, job_id: str) -> list[Ended]:
    """Every trial that has ended, in order of number."""
    query = (
        select(Trial.number, Trial.state, Trial.fitness, Trial.finished_at)
        .where(Trial.job_id == job_id, Trial.state != "pending")
        .order_by(Trial.number)
    )
    return [
        Ended(number, fitness if state == "finished" else None, at)
        for number, state, fitness, at in session.execute(query)
    ]


def stints(session: Session, job_id: str, limit: int) -> list[Stint]:
    """The latest pieces of work, oldest first. A trial scored block by block has one a block; what
    was copied from another trial took no work."""
    in_blocks = select(Block.trial).where(Block.job_id == job_id).distinct()
    subjects = {f"trial/{trial}" for trial in session.scalars(in_blocks)}
    whole = (
        select(Evaluation.subject, Evaluation.split, *_work(Evaluation))
        .where(Evaluation.job_id == job_id, Evaluation.worker != "")
        .order_by(Evaluation.finished_at.desc())
        .limit(limit)
    )
    parts = (
        select(Block.trial, *_work(Block))
        .where(Block.job_id == job_id)
        .order_by(Block.finished_at.desc())
        .limit(limit)
    )
    found = [
        Stint(worker, subject, split, *work)
        for subject, split, worker, *work in session.execute(whole)
        if split != "search" or subject not in subjects
    ]
    found += [
        Stint(worker, f"trial/{trial}", "search", *work)
        for trial, worker, *work in session.execute(parts)
    ]
    return sorted(found, key=lambda stint: stint.at)[-limit:]


def _work(table: type[Evaluation] | type[Block]) -> tuple[InstrumentedAttribute[Any], ...]:
    return (table.worker, table.merge_seconds, table.score_seconds, table.finished_at)


def latest_events(
    session: Session, job_id: str, limit: int, *, with_trials: bool
) -> Sequence[Event]:
    """The latest events of a job, newest first."""
    query = select(Event).where(Event.job_id == job_id).order_by(Event.id.desc()).limit(limit)
    if not with_trials:
        query = query.where(Event.kind.not_like("trial.%"))
    return session.scalars(query).all()


def numbers_by_digest(session: Session, job_id: str) -> dict[str, int]:
    """The first trial of each recipe's digest."""
    query = (
        select(Trial.digest, Trial.number)
        .where(Trial.job_id == job_id)
        .order_by(Trial.number.desc())
    )
    return dict(session.execute(query).all())
