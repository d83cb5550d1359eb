"""A full disk: what is recorded stays, what can't be written waits, an export fails alone."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.client import ApiError
from service.database import Database
from tests.faults.conftest import (
    MakeService,
    events_of,
    finished_log,
    opened,
    search,
    submit,
    submit_again,
)
from tests.faults.small_disk import SmallDisk, small_disk
from tests.postgresql import PostgresServer
from tests.running import wait_for_trials
from tests.waiting import until

_TRIALS = 90


@dataclass(frozen=True)
class _Stored:
    """A database on a small disk; `fill` takes what room it has."""

    url: str
    disk: SmallDisk
    fill: Callable[[], None]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def stored(request: pytest.FixtureRequest) -> Iterator[_Stored]:
    with ExitStack() as stack:
        if request.param == "postgresql":
            disk = stack.enter_context(small_disk(160))
            server = stack.enter_context(PostgresServer(disk.folder / "server"))
            yield _Stored(server.create(), disk, disk.fill)
            return
        disk = stack.enter_context(small_disk(24))
        url = f"sqlite:///{disk.folder / 'cuvee.sqlite3'}"

        def fill() -> None:
            with opened(url) as database:
                until(lambda: _without_log(database))
                disk.fill()

        yield _Stored(url, disk, fill)


def test_a_search_waits_for_room_in_its_database(
    instant: MakeService, stored: _Stored, tmp_path: Path
) -> None:
    with instant("service", database=stored.url, seconds=0.05) as service:
        with service.client() as client:
            whole = submit(client, tmp_path, search(_TRIALS))
            undisturbed = finished_log(service, stored.url, whole)
            job_id = submit_again(stored.url, whole)
            wait_for_trials(client, job_id, 3)
            stored.fill()
            until(lambda: "database_lost" in service.log, 60)
            job = client.job(job_id)
            assert job.state == "running"
            assert job.trials_finished < _TRIALS
            with pytest.raises(ApiError, match="database"):
                client.edit(job, notes=secrets.token_hex(4000))
            stored.disk.free()
        assert finished_log(service, stored.url, job_id) == undisturbed
    with opened(stored.url) as database:
        assert events_of(database, job_id) == events_of(database, whole)


def test_an_export_without_room_fails_and_leaves_nothing(
    instant: MakeService, tmp_path: Path
) -> None:
    service = instant("service")
    folder = tmp_path / "service" / "exports"
    folder.mkdir(parents=True)
    with small_disk(8, folder) as disk, service:
        with service.client() as client:
            job_id = submit(client, tmp_path, search(6))
            finished_log(service, f"sqlite:///{service.data / 'cuvee.sqlite3'}", job_id)
            disk.fill()
            with pytest.raises(ApiError, match="No space left on device"):
                client.export(job_id)
            assert [path.name for path in folder.iterdir()] == ["ballast"]
            disk.free()
            export = client.export(job_id)
            assert (Path(export.folder) / "model.safetensors").is_file()
            assert client.job(job_id).state == "finished"
        # Before the disk is taken away.
        service.stop()


def _without_log(database: Database) -> bool:
    """Empty SQLite's write-ahead log, whose room it would write into again."""
    with database.snapshot() as session:
        driver = session.connection().connection.driver_connection
        assert driver is not None
        driver.execute("ROLLBACK")
        ((busy, _, _),) = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        driver.execute("BEGIN")
    return not busy
