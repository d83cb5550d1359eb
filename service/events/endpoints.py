"""`/v1/events`: one stream of everything that happens, resumable by its cursor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Annotated

import anyio
from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from service.accounts.authorisation import Account, AccountDependency, owned, still_works
from service.database import Database
from service.dependencies import DatabaseDependency
from service.errors import Problem
from service.events import repository as events
from service.tables import Event

router = APIRouter(prefix="/v1", tags=["events"])

_POLL_SECONDS = 0.25
# Milliseconds after which a browser that lost the stream comes back.
_RETRY = 500


JobFilter = Annotated[str | None, Query(description="Only this job's events.")]


def _check_job(
    database: DatabaseDependency, account: AccountDependency, job: JobFilter = None
) -> None:
    if job is not None:
        with database.snapshot() as session:
            owned(session, account, job)


@router.get(
    "/events",
    response_class=EventSourceResponse,
    dependencies=[Depends(_check_job)],
    responses={404: {"model": Problem}},
)
async def stream_events(
    database: DatabaseDependency,
    account: AccountDependency,
    job: JobFilter = None,
    since: Annotated[
        int | None, Query(ge=0, description="Events after this cursor; default: from now on.")
    ] = None,
    last_event_id: Annotated[
        int | None, Header(ge=0, description="The last cursor seen; outranks `since`.")
    ] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events. Each one's id is its cursor; a reconnecting client misses nothing.

    The stream ends when its token does.
    """
    cursor = last_event_id if last_event_id is not None else since
    if cursor is None:
        cursor = await run_in_threadpool(_newest, database)
    while True:
        fresh = await run_in_threadpool(_after, database, account, cursor, job)
        if fresh is None:
            return
        for event in fresh:
            cursor = event.id
            yield ServerSentEvent(
                id=str(event.id),
                retry=_RETRY,
                event=event.kind,
                data={"job": event.job_id, "at": event.created_at.isoformat(), **event.data},
            )
        if not fresh:
            await anyio.sleep(_POLL_SECONDS)


def _newest(database: Database) -> int:
    with database.snapshot() as session:
        return events.newest(session)


def _after(
    database: Database, account: Account, cursor: int, job: str | None
) -> Sequence[Event] | None:
    """The next events; None once the caller may not have them any more."""
    with database.snapshot() as session:
        if not still_works(session, account):
            return None
        return events.after(session, cursor, job, owner=account.only)
