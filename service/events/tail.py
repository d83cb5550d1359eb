"""What happens now, read from the database once for all streams of this process.

A stream that is behind reads by itself until it has caught up. From then on it waits here, and a
thousand of them ask the database no more often than one.
"""

from __future__ import annotations

import asyncio
import bisect
import json
from collections import Counter, deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter

import structlog
from fastapi.sse import ServerSentEvent
from starlette.concurrency import run_in_threadpool

from service.accounts import repository as tokens
from service.accounts.authorisation import Account
from service.database import Database, DatabaseLost
from service.events import repository as events
from service.tables import Event

log = structlog.get_logger(__name__)

POLL_SECONDS = 0.25
# Events that are kept for streams which are a little behind.
_KEPT = 1000
# Milliseconds after which a browser that lost the stream comes back.
_RETRY = 500


@dataclass(frozen=True)
class Report:
    """An event as streams send it, and whose it is."""

    cursor: int
    job: str
    owner: str
    message: ServerSentEvent


@dataclass(frozen=True)
class _News:
    """What one look at the database has found: it was read up to the cursor `seen`."""

    seen: int
    reports: Sequence[Report]
    refused: frozenset[str]


class Tail:
    """The latest events. `follow` runs for as long as the service does."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._latest: deque[Report] = deque(maxlen=_KEPT)
        # All events after the floor, up to what was seen, are among the latest.
        self._floor = 0
        self._seen: int | None = None
        self._listening: Counter[str | None] = Counter()
        self._refused: frozenset[str] = frozenset()
        self._changed = asyncio.Event()

    async def follow(self) -> None:
        """Read what is new, again and again, while somebody listens. It never returns."""
        answered = True
        while True:
            if self._listening:
                asked = [token for token in self._listening if token is not None]
                news = await run_in_threadpool(self._read, self._seen, asked)
                if news is not None:
                    self._take(news)
                elif answered:
                    log.warning("events_not_read", reason="the database does not answer")
                answered = news is not None
            else:
                self._seen = None
                self._latest.clear()
            await asyncio.sleep(POLL_SECONDS)

    @contextmanager
    def heard_by(self, account: Account) -> Iterator[None]:
        """Listen for the length of the block."""
        self._listening[account.token_id] += 1
        try:
            yield
        finally:
            self._listening -= Counter([account.token_id])

    async def after(self, cursor: int, account: Account) -> Sequence[Report] | None:
        """The events after a cursor as soon as there are any, whosever they are; none if they reach
        back further than what is kept; None once the caller may not have them any more."""
        while account.token_id not in self._refused:
            if self._seen is not None and cursor < self._floor:
                return []
            start = bisect.bisect_right(self._latest, cursor, key=attrgetter("cursor"))
            if start < len(self._latest):
                return [self._latest[place] for place in range(start, len(self._latest))]
            await self._changed.wait()
        return None

    def _take(self, news: _News) -> None:
        if self._seen is None:
            self._floor = news.seen
        self._latest.extend(news.reports)
        if len(self._latest) == _KEPT:
            self._floor = self._latest[0].cursor - 1
        self._seen, self._refused = news.seen, news.refused
        self._changed.set()
        self._changed = asyncio.Event()

    def _read(self, seen: int | None, asked: Collection[str]) -> _News | None:
        """What is new; None while the database does not answer."""
        try:
            with self._database.snapshot() as session:
                refused = frozenset(asked) - tokens.working(session, asked)
                if seen is None:
                    return _News(events.newest(session), (), refused)
                found = events.with_owners(session, seen)
        except DatabaseLost:
            return None
        reports = [
            Report(event.id, event.job_id, owner, message_of(event)) for event, owner in found
        ]
        return _News(reports[-1].cursor if reports else seen, reports, refused)


def message_of(event: Event) -> ServerSentEvent:
    """An event as it is sent: its data is written as JSON once, and not for every client."""
    data = {"job": event.job_id, "at": event.created_at.isoformat(), **event.data}
    text = json.dumps(data, ensure_ascii=False)
    return ServerSentEvent(id=str(event.id), retry=_RETRY, event=event.kind, raw_data=text)
