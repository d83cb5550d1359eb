"""`/v1/events`: one stream of everything that happens, resumable by its cursor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from service.accounts.authorisation import Account, AccountDependency, owned
from service.database import Database, DatabaseLost
from service.dependencies import DatabaseDependency
from service.errors import Problem
from service.events import repository as events
from service.events.tail import POLL_SECONDS, Tail, message_of

router = APIRouter(prefix="/v1", tags=["events"])

Found = TypeVar("Found")

# Events that a stream which is behind reads at once.
_PAGE = 500


def _tail(request: Request) -> Tail:
    tail: Tail = request.app.state.tail
    return tail


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
    *,
    database: DatabaseDependency,
    account: AccountDependency,
    tail: Annotated[Tail, Depends(_tail)],
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
    start = last_event_id if last_event_id is not None else since
    cursor = await _patiently(partial(_newest, database)) if start is None else start
    with tail.heard_by(account):
        while (reports := await tail.after(cursor, account)) is not None:
            if not reports:
                missed, cursor = await _patiently(partial(_missed, database, account, cursor, job))
                for message in missed:
                    yield message
            for report in reports:
                cursor = report.cursor
                if job in {None, report.job} and account.only in {None, report.owner}:
                    yield report.message


async def _patiently(read: Callable[[], Found]) -> Found:
    """What a reading of the database gives, once it answers."""
    while True:
        try:
            return await run_in_threadpool(read)
        except DatabaseLost:
            await asyncio.sleep(POLL_SECONDS)


def _newest(database: Database) -> int:
    with database.snapshot() as session:
        return events.newest(session)


def _missed(
    database: Database, account: Account, cursor: int, job: str | None
) -> tuple[Sequence[ServerSentEvent], int]:
    """The next events for the caller, and the cursor up to which there are no others."""
    with database.snapshot() as session:
        found = events.after(session, cursor, job, _PAGE, owner=account.only)
        upto = found[-1].id if len(found) == _PAGE else events.newest(session)
    return [message_of(event) for event in found], upto
