"""Services with instant workers, and searches for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from service.client import Client
from service.database import Database
from service.events import repository as events
from service.jobs import repository as jobs
from tests.running import RunningService, wait_for_end
from tests.tiny import write_llama
from tests.trial_log import trial_log_in
from tests.zoo_spec import write_spec, zoo_spec

MakeService = Callable[..., RunningService]
_ALONE = {"averages": False, "grid_step": None}


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parents of the right names; nobody loads them to score."""
    folder = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("base", "maths", "ja")):
        write_llama(folder / "zoo" / name, seed, layers=4)
    return folder


@pytest.fixture
def instant(tiny_models: Path, tmp_path: Path) -> Iterator[MakeService]:
    """Makes services, which are not started yet, in data folders by name."""
    with ExitStack() as stack:

        def make(
            name: str,
            *,
            database: str | None = None,
            environment: Mapping[str, str] | None = None,
            **options: object,
        ) -> RunningService:
            more = [part for key, value in options.items() for part in (f"--{key}", str(value))]
            service = RunningService(
                tmp_path / name,
                models=tiny_models,
                database=database,
                module="tests.faults.instant_service",
                options=more,
                environment=environment,
            )
            stack.callback(service.stop)
            return service

        yield make


def search(trials: int, *, seed: int = 5, name: str = "small") -> dict[str, Any]:
    """A search of so many trials, six to a generation."""
    return zoo_spec(trials=trials, seed=seed, name=name, baselines=_ALONE)


def submit(client: Client, folder: Path, spec: dict[str, Any]) -> str:
    """Submit the search; gives the job's id."""
    return client.submit(write_spec(folder, spec)).id


def submit_again(url: str, job_id: str) -> str:
    """Queue another job like this one, while no service may be there; gives its id."""
    with opened(url) as database, database.transaction() as session:
        job = jobs.get(session, job_id)
        return jobs.create(session, job.name, job.spec, job.model_digests).id


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """The database that services work on."""
    with closing(Database(url)) as database:
        yield database


def events_of(database: Database, job_id: str) -> Counter[str]:
    """How often each thing is reported of the job; the cursor of all events has no gap."""
    with database.snapshot() as session:
        found = events.after(session, 0, limit=10**6)
    assert [event.id for event in found] == list(range(1, len(found) + 1))
    return Counter(event.kind for event in found if event.job_id == job_id)


def finished_log(
    service: RunningService, url: str, job_id: str, seconds: float = 120.0
) -> list[dict[str, Any]]:
    """The trial log of the job, once it has finished, which it must in that time."""
    with service.client() as client:
        ended = wait_for_end(client, job_id, seconds)
    assert ended.state == "finished", ended.reason
    return trial_log_in(url, job_id)
