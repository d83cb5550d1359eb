"""Submitting once: however often a client sends a request under one key, there is one job of it."""

from __future__ import annotations

import hashlib

from sqlalchemy.orm import Session

from search.errors import FieldError
from service.errors import Invalid
from service.jobs import repository as jobs
from service.tables import Job, Submission, now

KEY_HEADER = "Idempotency-Key"


def made_by(session: Session, owner: str, key: str, body: bytes) -> Job | None:
    """The job that the owner's key has made from the same body.

    Raises Invalid where the body was another, and NotFound where the job was deleted since.
    """
    found = session.get(Submission, (owner, key))
    if found is None:
        return None
    if found.body_digest != _digest(body):
        message = "the key was used for another body; take a new one"
        raise Invalid([FieldError(KEY_HEADER, message)])
    return jobs.get(session, found.job_id)


def remember(session: Session, owner: str, key: str, body: bytes, job_id: str) -> None:
    """Let the key stand for the job from now on."""
    session.add(
        Submission(owner=owner, key=key, body_digest=_digest(body), job_id=job_id, created_at=now())
    )


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
