"""Exports in the database: asked for by the API, carried out by the controller."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.errors import NotFound
from service.events import repository as events
from service.tables import Export, now


def create(session: Session, job_id: str, trial: int, exports_dir: Path) -> Export:
    """A new export of a trial's child, queued, to a folder that does not exist yet."""
    export_id = uuid.uuid4().hex
    export = Export(
        id=export_id,
        job_id=job_id,
        trial=trial,
        folder=str(exports_dir / f"{job_id[:8]}-trial-{trial}-{export_id[:8]}"),
        state="queued",
        created_at=now(),
    )
    session.add(export)
    return export


def get(session: Session, job_id: str, export_id: str) -> Export:
    """One export of a job. Raises NotFound."""
    export = session.get(Export, export_id)
    if export is None or export.job_id != job_id:
        raise NotFound(f"job {job_id} has no export {export_id!r}")
    return export


def queued(session: Session) -> Sequence[Export]:
    """Exports that are not carried out yet, oldest first."""
    query = select(Export).where(Export.state == "queued").order_by(Export.created_at, Export.id)
    return session.scalars(query).all()


def of_job(session: Session, job_id: str) -> Sequence[Export]:
    """Every export of a job, oldest first."""
    query = select(Export).where(Export.job_id == job_id).order_by(Export.created_at, Export.id)
    return session.scalars(query).all()


def end(session: Session, export_id: str, reason: str | None) -> None:
    """Record that the export was written, or why it could not be."""
    export = session.get_one(Export, export_id)
    export.state = "finished" if reason is None else "failed"
    export.reason = reason
    export.finished_at = now()
    data = {"export": export.id, "trial": export.trial, "folder": export.folder, "reason": reason}
    events.append(session, export.job_id, f"export.{export.state}", data)
