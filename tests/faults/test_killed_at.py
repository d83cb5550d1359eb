"""A service killed at the worst points of a search goes on within seconds, as if undisturbed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.faults.conftest import MakeService, finished_log, search, submit, submit_again
from tests.faults.instant_service import POINTS
from tests.postgresql import PostgresServer

_TRIALS = 90
_LEASE = 3
_RESUMED_SECONDS = 10.0


def _check(instant: MakeService, folder: Path, url: str, seed: int) -> None:
    """Kill one service after another, at each point once, while they run one search."""
    draws = random.Random(seed)
    points = draws.sample(POINTS, len(POINTS))
    # How often each is passed before it kills: with the points before it, less than the search has.
    counts = {point: draws.randint(1, 2 if point in ("ask", "insert") else 10) for point in POINTS}
    with instant("service", database=url, lease=_LEASE) as service:
        with service.client() as client:
            whole = submit(client, folder, search(_TRIALS, seed=seed))
        undisturbed = finished_log(service, url, whole)
        service.stop()
        job_id = submit_again(url, whole)
        for point in points:
            service.start("--kill", f"{point}:{counts[point]}")
            # It is killed by what it does for the job: so it has taken it up by then.
            service.wait_until_killed(_RESUMED_SECONDS)
        service.start()
        assert finished_log(service, url, job_id, _RESUMED_SECONDS) == undisturbed
    assert [trial["number"] for trial in undisturbed] == list(range(_TRIALS))


def test_a_search_killed_at_every_point_has_the_history_of_an_undisturbed_one(
    instant: MakeService, tmp_path: Path
) -> None:
    # Another seed in every run; a failure shows it as an argument.
    seed = random.SystemRandom().randrange(1000)
    _check(instant, tmp_path, f"sqlite:///{tmp_path / 'cuvee.sqlite3'}", seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_killed_at_every_point_with_many_seeds(
    instant: MakeService, tmp_path: Path, postgresql: PostgresServer, seed: int
) -> None:
    url = postgresql.create() if seed % 2 else f"sqlite:///{tmp_path / 'cuvee.sqlite3'}"
    _check(instant, tmp_path, url, seed)
