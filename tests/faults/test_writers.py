"""Fifty writers in several processes on SQLite: nobody is turned away, and no update is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from service.events import repository as events
from service.jobs import repository as jobs
from tests.faults.conftest import opened
from tests.running import REPOSITORY

_PROCESSES, _THREADS, _TIMES = 5, 10, 10
_WRITE = f"""
import sys
from concurrent.futures import ThreadPoolExecutor
from service.database import Database
from service.events import repository as events
from service.jobs import repository as jobs

database = Database(sys.argv[1])

def count(_):
    for _ in range({_TIMES}):
        with database.transaction() as session:
            job = jobs.get(session, sys.argv[2])
            job.spec = {{"count": job.spec["count"] + 1}}
            events.append(session, job.id, "job.noted", {{}})

with ThreadPoolExecutor({_THREADS}) as pool:
    list(pool.map(count, range({_THREADS})))
database.close()
"""


def test_fifty_writers_on_sqlite(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'cuvee.sqlite3'}"
    with opened(url) as database:
        database.migrate()
        with database.transaction() as session:
            job_id = jobs.create(session, "counted", {"count": 0}, {}).id
        command = [sys.executable, "-c", _WRITE, url, job_id]
        writers = [subprocess.Popen(command, cwd=REPOSITORY) for _ in range(_PROCESSES)]
        assert [writer.wait(120) for writer in writers] == [0] * _PROCESSES
        total = _PROCESSES * _THREADS * _TIMES
        with database.snapshot() as session:
            assert jobs.get(session, job_id).spec == {"count": total}
            # One is that of the job's creation.
            assert [one.id for one in events.after(session, 0, limit=2 * total)] == list(
                range(1, total + 2)
            )
