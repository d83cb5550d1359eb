"""Deleting a job: all that it holds goes, but for its uses of holdouts.

That somebody has looked at a holdout stays true, so the ledger stays, and with it the job's row,
emptied. Checkpoints that were exported are files of their own and stay where they are, with their
rows, as they fill their owner's disk space until they are deleted themselves.
"""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from service.errors import Conflict
from service.events import repository as events
from service.jobs import repository as jobs
from service.tables import Base, Export, HoldoutUse

_KEPT = {HoldoutUse.__tablename__, Export.__tablename__}


def remove(session: Session, job_id: str) -> None:
    """Delete an ended job. Raises NotFound, and Conflict while it or an export of it is at work."""
    job = jobs.get(session, job_id)
    if job.state not in jobs.ENDED:
        raise Conflict(f"the job is {job.state}; cancel it first")
    writing = select(Export.id).where(Export.job_id == job_id, Export.finished_at.is_(None))
    if session.scalars(writing.limit(1)).first() is not None:
        raise Conflict("an export of the job is being written; wait for it")
    for table in reversed(Base.metadata.sorted_tables):
        if "job_id" in table.columns and table.name not in _KEPT:
            session.execute(delete(table).where(table.columns.job_id == job_id))
    job.state = job.phase = jobs.DELETED
    job.name = job.notes = ""
    job.spec, job.model_digests = {}, {}
    job.reason = job.winner = None
    events.append(session, job_id, "job.deleted", {})
