"""A thousand clients follow the events: each gets all of them soon, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import resource
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from service.database import Database
from service.events import repository as events
from service.jobs import repository as jobs
from tests.faults.conftest import MakeService, opened
from tests.running import RunningService
from tests.waiting import until

_EVENTS = 6
_EVERY_SECONDS = 0.5
_PATIENCE_SECONDS = 120
# Connections that the service keeps: five, of three files each.
_POOLED = 15
# What a process may have open by default, on most systems.
_USUAL_DESCRIPTORS = 1024


@pytest.mark.parametrize(
    ("clients", "seconds"),
    # Only the long one measures: it needs a machine that does nothing else.
    [(40, 10.0), pytest.param(1000, 1.0, marks=pytest.mark.long)],
)
def test_every_client_gets_every_event_soon(
    instant: MakeService, tmp_path: Path, clients: int, seconds: float
) -> None:
    url = f"sqlite:///{tmp_path / 'cuvee.sqlite3'}"
    service = instant("service", database=url)
    with _few_descriptors():
        service.start("--workers", "0")
    with opened(url) as database:
        # The first few fill the service's pools, which it keeps.
        asyncio.run(_follow(service, database, 20))
        before = _descriptors(service)
        delays = asyncio.run(_follow(service, database, clients))
    assert len(delays) == clients * _EVENTS
    assert statistics.quantiles(delays, n=20)[-1] < seconds
    until(lambda: _descriptors(service) <= before + _POOLED)


async def _follow(service: RunningService, database: Database, clients: int) -> list[float]:
    """Report events to so many clients; gives the seconds that each event took to each."""
    with database.transaction() as session:
        job_id = jobs.create(session, "followed", {}, {}).id
        start = events.newest(session)
    ready = asyncio.Semaphore(0)
    async with asyncio.timeout(_PATIENCE_SECONDS), asyncio.TaskGroup() as group:
        listeners = [group.create_task(_listen(service.port, start, ready)) for _ in range(clients)]
        for _ in listeners:
            await ready.acquire()
        for _ in range(_EVENTS):
            await asyncio.to_thread(_note, database, job_id)
            await asyncio.sleep(_EVERY_SECONDS)
    return [delay for listener in listeners for delay in listener.result()]


def _note(database: Database, job_id: str) -> None:
    with database.transaction() as session:
        events.append(session, job_id, "job.noted", {})


async def _listen(port: int, start: int, ready: asyncio.Semaphore) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /v1/events?since={start} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    ready.release()
    delays: list[float] = []
    while len(delays) < _EVENTS:
        line = await reader.readline()
        assert line, "the stream has ended"
        name, _, value = line.partition(b": ")
        if name == b"data":
            delays.append(time.time() - datetime.fromisoformat(json.loads(value)["at"]).timestamp())
        if name == b"id":
            assert int(value) == start + len(delays)
    writer.close()
    await writer.wait_closed()
    return delays


def _descriptors(service: RunningService) -> int:
    return len([*Path(f"/proc/{service.pid}/fd").iterdir()])


@contextmanager
def _few_descriptors() -> Iterator[None]:
    """Start processes that may have no more than usual open, until they ask for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, _USUAL_DESCRIPTORS), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 1 << 14)), hard))
