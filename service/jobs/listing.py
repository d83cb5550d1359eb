"""Lists of jobs: filtered, sorted, and cut into pages by where the page before ended.

A page goes on after a job and not after a count of jobs, so that none is shown twice or left out
when jobs come or go between two pages.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from search.errors import FieldError
from service.errors import Invalid
from service.jobs.repository import DELETED
from service.tables import Job, JobTag

State = Literal[
    "queued", "running", "pausing", "paused", "cancelling", "finished", "failed", "cancelled"
]
Sort = Literal["created", "-created", "name", "-name"]


@dataclass(frozen=True)
class Filters:
    """Which jobs: of one owner, in one of some states, with a tag, with a text in their name."""

    owner: str | None = None
    states: Sequence[State] = ()
    tag: str | None = None
    name: str | None = None


def page(
    session: Session, filters: Filters, sort: Sort, cursor: str | None, limit: int
) -> tuple[Sequence[Job], str | None]:
    """Up to `limit` jobs after the cursor, and the next page's cursor if there is one.

    Raises Invalid for a cursor that no page of this order gave.
    """
    column, descending = _order(sort)
    query = select(Job).where(Job.state != DELETED)
    if filters.owner is not None:
        query = query.where(Job.owner == filters.owner)
    if filters.states:
        query = query.where(Job.state.in_(filters.states))
    if filters.tag is not None:
        query = query.where(Job.id.in_(select(JobTag.job_id).where(JobTag.tag == filters.tag)))
    if filters.name is not None:
        query = query.where(Job.name.icontains(filters.name, autoescape=True))
    if cursor is not None:
        value, job_id = _read(cursor, sort)
        beyond = column < value if descending else column > value
        query = query.where(or_(beyond, and_(column == value, Job.id > job_id)))
    order = column.desc() if descending else column
    found = session.scalars(query.order_by(order, Job.id).limit(limit + 1)).all()
    shown = found[:limit]
    return shown, _cursor(shown[-1], sort) if len(found) > limit else None


def _order(sort: Sort) -> tuple[InstrumentedAttribute[Any], bool]:
    column = Job.name if sort.endswith("name") else Job.created_at
    return column, sort.startswith("-")


def _cursor(job: Job, sort: Sort) -> str:
    value = job.name if sort.endswith("name") else job.created_at.isoformat()
    text = json.dumps([sort, value, job.id])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read(cursor: str, sort: Sort) -> tuple[Any, str]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        given, value, job_id = json.loads(text)
        if given != sort or not isinstance(value, str) or not isinstance(job_id, str):
            raise ValueError
        moment = value if sort.endswith("name") else datetime.fromisoformat(value).astimezone()
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        message = "no page in this order gave this cursor"
        raise Invalid([FieldError("cursor", message)]) from error
    return moment, job_id
