"""Connections cut at commits: what was committed is found out, and nothing is done twice."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from service.jobs import repository as jobs
from tests.faults.conftest import (
    MakeService,
    events_of,
    finished_log,
    opened,
    search,
    submit,
    submit_again,
)
from tests.faults.cutting_proxy import CuttingProxy
from tests.postgresql import PostgresServer
from tests.running import RunningService
from tests.zoo_spec import write_spec

# A job that is taken up again commits a few times before it moves on.
_GAPS = range(6, 15)
_SUBMISSION_GAPS = range(3, 8)
_SUBMISSIONS = 12


@pytest.fixture
def url(postgresql: PostgresServer) -> str:
    return postgresql.create()


@pytest.fixture
def proxy(postgresql: PostgresServer) -> Iterator[CuttingProxy]:
    # Another seed in every run; a failure shows the cuts that it led to.
    seed = random.SystemRandom().randrange(1000)
    with closing(CuttingProxy(postgresql.socket, seed)) as proxy:
        yield proxy


@pytest.fixture
def service(instant: MakeService, proxy: CuttingProxy, url: str) -> RunningService:
    """A service, not started yet, whose way to the database leads through the proxy."""
    name = url.partition("?")[0].rpartition("/")[2]
    way = f"postgresql+psycopg://postgres@127.0.0.1:{proxy.port}/{name}"
    return instant("service", database=way)


@pytest.mark.parametrize("trials", [12, pytest.param(150, marks=pytest.mark.long)])
def test_a_search_is_that_of_a_connection_that_holds(
    service: RunningService, proxy: CuttingProxy, url: str, tmp_path: Path, trials: int
) -> None:
    with service, service.client() as client:
        whole = submit(client, tmp_path, search(trials))
        undisturbed = finished_log(service, url, whole)
        proxy.gaps = _GAPS
        job_id = submit_again(url, whole)
        log = finished_log(service, url, job_id, 150 + trials)
        proxy.gaps = None
    assert log == undisturbed
    assert proxy.cuts.keys() == {"before", "after"}, proxy.cuts
    with opened(url) as database:
        assert events_of(database, job_id) == events_of(database, whole), proxy.cuts


def test_a_submission_makes_one_job_and_its_client_gets_it(
    service: RunningService, proxy: CuttingProxy, url: str, tmp_path: Path
) -> None:
    path = write_spec(tmp_path, search(6))
    service.start("--workers", "0")
    with service.client() as client:
        proxy.gaps = _SUBMISSION_GAPS
        told = [client.submit(path).id for _ in range(_SUBMISSIONS)]
        proxy.gaps = None
    service.stop()
    assert proxy.cuts.keys() == {"before", "after"}, proxy.cuts
    with opened(url) as database, database.snapshot() as session:
        assert sorted(job.id for job in jobs.active(session)) == sorted(told)
