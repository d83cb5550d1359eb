"""What panels need of the database that no other part asks for."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.tables import Block, Evaluation, Trial


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
        select(Evaluation)
        .where(Evaluation.job_id == job_id, Evaluation.worker != "")
        .order_by(Evaluation.finished_at.desc())
        .limit(limit)
    )
    parts = (
        select(Block).where(Block.job_id == job_id).order_by(Block.finished_at.desc()).limit(limit)
    )
    found = [
        Stint(
            row.worker,
            row.subject,
            row.split,
            row.merge_seconds,
            row.score_seconds,
            row.finished_at,
        )
        for row in session.scalars(whole)
        if row.split != "search" or row.subject not in subjects
    ]
    found += [
        Stint(
            row.worker,
            f"trial/{row.trial}",
            "search",
            row.merge_seconds,
            row.score_seconds,
            row.finished_at,
        )
        for row in session.scalars(parts)
    ]
    return sorted(found, key=lambda stint: stint.at)[-limit:]


def numbers_by_digest(session: Session, job_id: str) -> dict[str, int]:
    """The first trial of each recipe's digest."""
    query = (
        select(Trial.digest, Trial.number)
        .where(Trial.job_id == job_id)
        .order_by(Trial.number.desc())
    )
    return dict(session.execute(query).all())
