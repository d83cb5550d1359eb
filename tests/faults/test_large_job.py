"""A job of ten thousand trials is listed and read as quickly as a small one."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from merging.recipe import Recipe
from service.app import create_app
from service.database import Database
from service.jobs import repository as jobs
from service.settings import Settings
from service.trials import repository as trials
from tests.faults.conftest import search

_TRIALS = 10_000
_P95_SECONDS = 0.2
_RECIPE = Recipe.model_validate(
    {
        "merge_method": "linear",
        "models": [
            {"model": name, "parameters": {"weight": [0.25, 0.5, 0.75, 1.0]}} for name in "abc"
        ],
    }
)


@pytest.fixture
def large(database_url: str, tiny_models: Path, tmp_path: Path) -> Iterator[tuple[TestClient, str]]:
    settings = Settings(
        data_dir=tmp_path / "data",
        models_dir=tiny_models,
        workers=0,
        database=database_url,
        local=True,
    )
    app = create_app(settings)
    database: Database = app.state.database
    proposals = [
        trials.Proposal(number, tuple(number / (gene + 1) for gene in range(10)), _RECIPE)
        for number in range(_TRIALS)
    ]
    with TestClient(app, base_url="http://127.0.0.1") as api:
        job_id: str = api.post("/v1/jobs", json=search(_TRIALS)).json()["id"]
        with database.transaction() as session:
            jobs.start(session, job_id)
            members = trials.add_generation(session, job_id, "weights", 0, proposals)
        for start in range(0, _TRIALS, 500):
            with database.transaction() as session:
                for trial in members[start : start + 500]:
                    trials.finish(session, trial, trials.Ending(1 / (trial.number + 1), n=24))
        yield api, job_id


def _p95(call: Callable[[], object]) -> float:
    """The 95th percentile of the seconds of a call, over 40 calls."""
    seconds = []
    for _ in range(40):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.quantiles(seconds, n=20)[-1]


@pytest.mark.long
def test_ten_thousand_trials(large: tuple[TestClient, str]) -> None:
    api, job_id = large

    def read(path: str) -> None:
        answer = api.get(path)
        assert answer.status_code == 200, answer.text

    paths = ["", f"/{job_id}", f"/{job_id}/trials?limit=100", f"/{job_id}/trials?after=9899"]
    slow = {path: _p95(lambda path=path: read(f"/v1/jobs{path}")) for path in paths}  # type: ignore[misc]
    assert max(slow.values()) < _P95_SECONDS, slow
