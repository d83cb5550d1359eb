"""Several services on one database: a job has one of them at a time, whatever happens to it."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service.client import Client
from service.database import Database
from service.leases import repository as leases
from service.trials import repository as trials
from tests.faults.conftest import (
    MakeService,
    finished_log,
    opened,
    search,
    submit,
    submit_again,
)
from tests.postgresql import PostgresServer
from tests.running import RunningService, wait_for_trials
from tests.waiting import until

StartPair = Callable[..., Sequence[RunningService]]
_TRIALS = 60
_TAKEOVER_SECONDS = 20.0


def _holder(database: Database, job_id: str) -> str | None:
    with database.snapshot() as session:
        held = leases.held(session).get(job_id)
    return None if held is None else held.holder


def _ended(database: Database, job_id: str) -> int:
    with database.snapshot() as session:
        return trials.progress(session, job_id).finished


@pytest.fixture
def url(postgresql: PostgresServer) -> str:
    """A database that two services share."""
    return postgresql.create()


@pytest.fixture
def pair(instant: MakeService, url: str) -> StartPair:
    """Starts two services on the database."""

    def start(**options: float) -> Sequence[RunningService]:
        services = [instant(name, database=url, **options) for name in ("one", "other")]
        with ThreadPoolExecutor() as pool:
            list(pool.map(RunningService.start, services))
        return services

    return start


def _run_in_one(
    services: Sequence[RunningService], folder: Path
) -> tuple[str, RunningService, RunningService]:
    """Submit a search and wait for its first trials; gives it, who runs it, and who does not."""
    one, other = services
    with other.client() as client:
        job_id = submit(client, folder, search(_TRIALS))
        wait_for_trials(client, job_id, 3)
    runs = f"job={job_id}" in one.log
    return (job_id, one, other) if runs else (job_id, other, one)


def test_a_killed_services_job_is_taken_over_within_20_seconds(
    pair: StartPair, url: str, tmp_path: Path
) -> None:
    # The lease is the default one, which is what the promise is about.
    job_id, first, second = _run_in_one(pair(seconds=0.1), tmp_path)
    with opened(url) as database:
        holder = _holder(database, job_id)
        first.kill()
        assert _ended(database, job_id) < _TRIALS
        until(lambda: _holder(database, job_id) not in (None, holder), _TAKEOVER_SECONDS)
    log = finished_log(second, url, job_id)
    assert log == finished_log(second, url, submit_again(url, job_id))


def test_a_frozen_service_that_wakes_up_writes_nothing_more(
    pair: StartPair, url: str, tmp_path: Path
) -> None:
    lease = 2
    job_id, first, second = _run_in_one(pair(seconds=0.1, lease=lease), tmp_path)
    with opened(url) as database:
        holder = _holder(database, job_id)
        first.freeze()
        frozen = time.monotonic()
        assert _ended(database, job_id) < _TRIALS
        until(lambda: _holder(database, job_id) not in (None, holder), _TAKEOVER_SECONDS)
        until(lambda: time.monotonic() - frozen > 2 * lease, 2 * lease)
        first.thaw()
        # Frozen within a transaction, it finds its connection cut instead.
        told = {"job_taken_over", "database_lost"}
        until(lambda: bool(told & {*first.log.split()}), _TAKEOVER_SECONDS)
    log = finished_log(second, url, job_id)
    assert [trial["number"] for trial in log] == list(range(_TRIALS))
    assert log == finished_log(second, url, submit_again(url, job_id))


@pytest.mark.long
def test_a_service_frozen_while_it_writes_keeps_nobody_from_taking_over(
    instant: MakeService, url: str, tmp_path: Path
) -> None:
    first, second = (instant(name, database=url, seconds=0.1) for name in ("one", "other"))
    first.start("--freeze", "insert:2")
    with first.client() as client:
        job_id = submit(client, tmp_path, search(_TRIALS))
    with opened(url) as database:
        first.wait_until_frozen()
        frozen = time.monotonic()
        holder = _holder(database, job_id)
        second.start()
        left = _TAKEOVER_SECONDS - (time.monotonic() - frozen)
        until(lambda: _holder(database, job_id) not in (None, holder), left)
        first.thaw()
        until(lambda: "job_taken_over" in first.log, _TAKEOVER_SECONDS)
    log = finished_log(second, url, job_id)
    assert log == finished_log(second, url, submit_again(url, job_id))


def test_a_service_that_is_told_to_end_records_what_runs_and_leaves_the_rest_at_once(
    pair: StartPair, url: str, tmp_path: Path
) -> None:
    job_id, first, second = _run_in_one(pair(seconds=0.5, lease=120), tmp_path)
    with opened(url) as database:
        holder, before = _holder(database, job_id), _ended(database, job_id)
        first.stop()
        # Both workers had a piece of work in hand.
        assert before + 2 <= _ended(database, job_id) < _TRIALS
        until(lambda: _holder(database, job_id) != holder, 2.0)
    finished_log(second, url, job_id)


@pytest.mark.long
def test_a_hundred_jobs_on_two_services_all_move_on(
    instant: MakeService, postgresql: PostgresServer, tmp_path: Path
) -> None:
    url, count, each = postgresql.create(), 100, 30
    services = [instant(name, database=url, seconds=0.02) for name in ("first", "second")]
    services[0].start()
    with services[0].client() as client:
        model = submit(client, tmp_path, search(each))
    finished_log(services[0], url, model)
    services[0].stop()
    mine = [submit_again(url, model) for _ in range(count)]
    for service in services:
        service.start()
    with opened(url) as database, services[0].client() as client:
        until(lambda: any(_ended(database, job) == each for job in mine), 600)
        at_first_end = [_ended(database, job) for job in mine]
        assert min(at_first_end) >= each / 3, sorted(at_first_end)
        assert len({_holder(database, job) for job in mine} - {None}) == 2
        for job in mine:
            until(lambda job=job: client.job(job).state == "finished", 600)  # type: ignore[misc]
    _only_once(services, mine)


def _only_once(services: list[RunningService], jobs: list[str]) -> None:
    logs = "".join(service.log for service in services)
    ended = Counter(re.findall(r"job_ended\s+job=(\w+)", logs))
    assert {job: ended[job] for job in jobs} == dict.fromkeys(jobs, 1)


@pytest.mark.long
def test_a_database_restarted_every_few_seconds_costs_nothing(
    instant: MakeService, tmp_path: Path
) -> None:
    with PostgresServer() as server:
        url, count = server.create(), 1000
        service = instant("service", database=url, seconds=0.04, lease=3)
        service.start()
        with service.client() as client:
            job_id = submit(client, tmp_path, search(count))
            restarts = 0
            while _trials_ended(client, job_id) < count:
                server.restart()
                restarts += 1
                time.sleep(2.0)
        log = finished_log(service, url, job_id)
        assert restarts >= 5
        assert [trial["number"] for trial in log] == list(range(count))
        assert log == finished_log(service, url, submit_again(url, job_id))


def _trials_ended(client: Client, job_id: str) -> int:
    job = client.job(job_id)
    return job.trials_finished + job.trials_failed
