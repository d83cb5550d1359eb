"""Fifty writing processes on SQLite: nobody is turned away, and no update is lost."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

from service.database import Database
from service.events import repository as events
from service.jobs import repository as jobs
from tests.faults.conftest import opened
from tests.running import REPOSITORY

_PROCESSES, _TIMES = 50, 10


def test_fifty_writers_on_sqlite(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'cuvee.sqlite3'}"
    with opened(url) as database:
        database.migrate()
        with database.transaction() as session:
            job_id = jobs.create(session, "counted", {"count": 0}, {}).id
        # They are forked by a process of one thread, which has imported all that they need.
        command = [sys.executable, "-m", "tests.faults.test_writers", url, job_id]
        subprocess.run(command, cwd=REPOSITORY, check=True, timeout=300)
        total = _PROCESSES * _TIMES
        with database.snapshot() as session:
            assert jobs.get(session, job_id).spec == {"count": total}
            # One is that of the job's creation.
            assert [one.id for one in events.after(session, 0, limit=2 * total)] == list(
                range(1, total + 2)
            )


def _write_from_many(url: str, job_id: str) -> None:
    """Fork the writers and wait for them; ends with 1 if one of them failed."""
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=_write, args=(url, job_id)) for _ in range(_PROCESSES)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    sys.exit(any(writer.exitcode != os.EX_OK for writer in writers))


def _write(url: str, job_id: str) -> None:
    database = Database(url)
    for _ in range(_TIMES):
        with database.transaction() as session:
            job = jobs.get(session, job_id)
            job.spec = {"count": job.spec["count"] + 1}
            events.append(session, job.id, "job.noted", {})
    database.close()


if __name__ == "__main__":
    _write_from_many(*sys.argv[1:])
