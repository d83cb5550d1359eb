"""A job of ten thousand trials is listed and told of at once, on both databases."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import pytest

from service.database import Database
from tests.large_job import write_large_job
from tests.running import RunningService

_TRIALS = 10_000
_TIMES = 20
# Each takes a tenth of a second of the processor at most (docs/scaling.md); others share it.
_SECONDS = 2.0


@pytest.mark.long
def test_ten_thousand_trials_are_told_of_at_once(tmp_path: Path, database_url: str) -> None:
    with RunningService(tmp_path / "data", workers=0, database=database_url) as service:
        database = Database(database_url)
        job = f"/v1/jobs/{write_large_job(database, _TRIALS)}"
        database.close()
        address = (service.data / "address").read_text().strip()
        with httpx.Client(base_url=address, timeout=60) as api:
            history = api.get(f"{job}/history").json()
            assert history["trial"] == list(range(_TRIALS))
            seen = api.get(job).json()
            assert (seen["trials_finished"], seen["trials_failed"]) == (9_800, 200)
            scored = [fitness for fitness in history["fitness"] if fitness is not None]
            assert seen["best"]["fitness"] == max(scored)
            assert seen["best"]["trial"] == history["fitness"].index(max(scored))
            routes = {
                "jobs": "/v1/jobs",
                "job": job,
                "history": f"{job}/history",
                "trials": f"{job}/trials?after=5000",
                "best": f"{job}/best",
                "result": f"{job}/result",
                "parents": f"{job}/evaluations?split=search&kind=parent",
                "glance": f"{job}/panels/glance",
            }
            slowest = {name: _percentile(partial(api.get, at)) for name, at in routes.items()}
    print({name: f"{1000 * seconds:.0f} ms" for name, seconds in slowest.items()})
    assert {name: seconds for name, seconds in slowest.items() if seconds > _SECONDS} == {}


def _percentile(ask: Callable[[], httpx.Response]) -> float:
    """How many seconds 95 of 100 requests take at most."""
    taken = []
    for _ in range(_TIMES):
        begun = time.perf_counter()
        ask().raise_for_status()
        taken.append(time.perf_counter() - begun)
    return statistics.quantiles(taken, n=20)[-1]
