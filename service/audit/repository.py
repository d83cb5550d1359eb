"""The audit log: who asked for which change, when, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.account_tables import AuditEntry
from service.tables import now


def append(session: Session, owner: str, token_id: str | None, action: str, target: str) -> int:
    """Write down that somebody asks for something, before it is done; the entry's number."""
    entry = AuditEntry(at=now(), owner=owner, token_id=token_id, action=action, target=target[:500])
    session.add(entry)
    session.flush()
    return entry.id


def answered(session: Session, number: int, status: int) -> None:
    """Add what the answer was. An entry without one was cut off by a death of the service."""
    session.get_one(AuditEntry, number).status = status


def newest_first(session: Session, before: int | None, limit: int) -> Sequence[AuditEntry]:
    """Entries of a smaller number than `before`, or the latest."""
    query = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
    if before is not None:
        query = query.where(AuditEntry.id < before)
    return session.scalars(query).all()
