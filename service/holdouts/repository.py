"""The ledger of holdouts: every time that a winner was scored on items kept back.

A holdout says what a child is worth as long as nothing was chosen by it. Each look makes the next
choice a little less independent of it, whoever looks, so each is written down, by what the items
are and not by what the task is called.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.evaluations.repository import Recorded
from service.events import repository as events
from service.tables import Extension, HoldoutUse, Job, now


def use(session: Session, job_id: str, winner: Recorded) -> None:
    """Write down that a job's winner was scored on holdout: once a task, and anew each time that
    the job was extended, even if the same trial wins again."""
    extended = select(func.count()).where(Extension.job_id == job_id)
    rounds = session.scalar(extended) or 0
    for task, score in winner.scores.items():
        if session.get(HoldoutUse, (job_id, task, rounds)) is not None:
            continue
        digest = score.items_digest or ""
        earlier = select(func.count()).where(HoldoutUse.items_digest == digest)
        before = session.scalar(earlier) or 0
        session.add(
            HoldoutUse(
                job_id=job_id,
                task=task,
                round=rounds,
                items_digest=digest,
                winner=int(winner.subject.label),
                earlier=before,
                used_at=now(),
            )
        )
        data = {"task": task, "winner": int(winner.subject.label), "earlier": before}
        events.append(session, job_id, "holdout.used", data)


def newest_first(
    session: Session, *, job_id: str | None = None, owner: str | None = None, limit: int = 1000
) -> Sequence[HoldoutUse]:
    """The ledger, of one job, of one owner's jobs, or of all."""
    query = select(HoldoutUse).order_by(HoldoutUse.used_at.desc(), HoldoutUse.task).limit(limit)
    if job_id is not None:
        query = query.where(HoldoutUse.job_id == job_id)
    if owner is not None:
        query = query.where(HoldoutUse.job_id.in_(select(Job.id).where(Job.owner == owner)))
    return session.scalars(query).all()
