"""Exports in the database: asked for by the API, written by the controller, then uploaded."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from service.errors import Conflict, NotFound
from service.events import repository as events
from service.tables import LOCAL_OWNER, Export, LeaseRow, now


def create(
    session: Session,
    job_id: str,
    trial: int,
    exports_dir: Path,
    *,
    owner: str = LOCAL_OWNER,
    repository: str | None = None,
    public: bool = False,
    dry_run: bool = False,
    gguf: bool = False,
    parents: Mapping[str, str] | None = None,
) -> Export:
    """A new export of a trial's child for an owner, queued, to a folder that is not there yet.

    The same upload asked for again, after it failed or while it is on its way, is the same export:
    what was written and uploaded stays, and it is queued again.
    """
    if repository is not None and not dry_run:
        earlier = _earlier(session, job_id, trial, repository, owner)
        asked = (public, gguf, dict(parents or {}))
        if earlier and (earlier.public, earlier.gguf, earlier.parents) == asked:
            if earlier.state == "failed":
                earlier.state, earlier.reason, earlier.finished_at = "queued", None, None
            return earlier
    export_id = uuid.uuid4().hex
    export = Export(
        id=export_id,
        job_id=job_id,
        owner=owner,
        trial=trial,
        folder=str(exports_dir / f"{job_id[:8]}-trial-{trial}-{export_id[:8]}"),
        repository=repository,
        public=public,
        dry_run=dry_run,
        gguf=gguf,
        parents=dict(parents or {}),
        warnings=[],
        uploaded=0,
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


def in_state(session: Session, state: str) -> Sequence[Export]:
    """Exports in a state, oldest first."""
    query = select(Export).where(Export.state == state).order_by(Export.created_at, Export.id)
    return session.scalars(query).all()


def of_job(session: Session, job_id: str) -> Sequence[Export]:
    """Every export of a job, oldest first."""
    query = select(Export).where(Export.job_id == job_id).order_by(Export.created_at, Export.id)
    return session.scalars(query).all()


def of_owner(session: Session, owner: str | None, limit: int) -> Sequence[Export]:
    """The latest exports that an owner, or anybody, has asked for; those of deleted jobs too, whose
    folders are still there."""
    query = select(Export).order_by(Export.created_at.desc(), Export.id).limit(limit)
    if owner is not None:
        query = query.where(Export.owner == owner)
    return session.scalars(query).all()


def remove(session: Session, job_id: str, export_id: str) -> Path:
    """Forget an export that has ended; gives its folder. Raises NotFound and Conflict."""
    export = get(session, job_id, export_id)
    if export.finished_at is None:
        raise Conflict(f"the export is {export.state}; wait for its end")
    session.execute(delete(LeaseRow).where(LeaseRow.subject == export_id))
    session.delete(export)
    return Path(export.folder)


def warn(session: Session, export_id: str, warnings: Sequence[str]) -> None:
    """Record what the publisher should mind."""
    session.get_one(Export, export_id).warnings = list(warnings)


def written(session: Session, export_id: str) -> None:
    """Record that the folder is whole: the export is finished, or to be uploaded."""
    export = session.get_one(Export, export_id)
    if not export.uploads:
        end(session, export_id, None)
    elif export.state != "uploading":
        export.state = "uploading"
        _tell(session, export)


def progressed(session: Session, export_id: str, uploaded: int, size: int) -> None:
    """Record how many of how many bytes are uploaded."""
    export = session.get_one(Export, export_id)
    export.uploaded, export.size = uploaded, size
    _tell(session, export)


def committed(session: Session, export_id: str, commit: str) -> None:
    """Record that the upload is a commit, at this address."""
    session.get_one(Export, export_id).commit = commit
    end(session, export_id, None)


def end(session: Session, export_id: str, reason: str | None) -> None:
    """Record that the export is done, or why it could not be."""
    export = session.get_one(Export, export_id)
    export.state = "finished" if reason is None else "failed"
    export.reason = reason
    export.finished_at = now()
    _tell(session, export)


def _earlier(
    session: Session, job_id: str, trial: int, repository: str, owner: str
) -> Export | None:
    query = (
        select(Export)
        .where(
            Export.job_id == job_id,
            Export.owner == owner,
            Export.trial == trial,
            Export.repository == repository,
            Export.dry_run.is_(False),
            Export.state != "finished",
        )
        .order_by(Export.created_at.desc())
        .limit(1)
    )
    return session.scalars(query).first()


def _tell(session: Session, export: Export) -> None:
    names = ("trial", "folder", "reason", "repository", "uploaded", "size", "commit")
    data = {"export": export.id} | {name: getattr(export, name) for name in names}
    events.append(session, export.job_id, f"export.{export.state}", data)
