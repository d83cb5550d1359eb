"""A hundred clients that submit the same at the same time, to two services: one job comes of it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import httpx

from service.jobs import repository as jobs
from tests.faults.conftest import MakeService, opened, search
from tests.postgresql import PostgresServer
from tests.running import RunningService

_CLIENTS = 100


def test_a_hundred_same_submissions_to_two_services_make_one_job(
    instant: MakeService, postgresql: PostgresServer
) -> None:
    url = postgresql.create()
    services = [instant(name, database=url) for name in ("one", "other")]
    with ThreadPoolExecutor(_CLIENTS) as pool:
        list(pool.map(lambda service: service.start("--workers", "0"), services))
        turns = [services[number % 2] for number in range(_CLIENTS)]
        answers = list(pool.map(_submit, turns))
    statuses = [answer.status_code for answer in answers]
    assert sorted(statuses) == [200] * (_CLIENTS - 1) + [201]
    (job_id,) = {answer.json()["id"] for answer in answers}
    with opened(url) as database, database.snapshot() as session:
        assert [job.id for job in jobs.active(session)] == [job_id]


def _submit(service: RunningService) -> httpx.Response:
    return httpx.post(
        f"http://127.0.0.1:{service.port}/v1/jobs",
        content=json.dumps(search(6)),
        headers={"idempotency-key": "same"},
        timeout=120,
    )
