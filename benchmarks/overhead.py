"""What a trial costs beside its evaluation: through the controller, the database and Ray.

    python -m benchmarks.overhead --trials 400 --workers 2

A search by CMA-ES whose evaluations take no time, so that what is left is Cuvee's own. Once the
workers are in the service's own process, once in Ray's. With `--block` trials are scored in blocks
of so many of their items.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from merging.recipe import Recipe
from service.app import create_app
from service.settings import Settings
from tests.postgresql import PostgresServer
from workers.cluster import local_cluster
from workers.interface import MakeWorkers, Occupation
from workers.pool import Pool
from workers.work import Evaluate, Result, TaskScores, Work

ITEMS = 256
_HEAD = """\
| database | workers | ms a trial | ms a piece | processor ms a trial | processor ms a piece |
|---|---|---|---|---|---|"""
REPOSITORY = Path(__file__).parents[1]


class Instant:
    """A worker that answers at once, by the recipe alone; what else it is asked for is nothing."""

    def __init__(self, name: str, memory: int | None = None) -> None:
        del memory
        self._name = name

    def ready(self) -> str:
        """Where it is, once it can take work."""
        return "here"

    def run(self, work: Work) -> Result:
        """Score as many items as there are, or as are asked for."""
        scores = {}
        if isinstance(work, Evaluate):
            draws = random.Random(Recipe.model_validate_json(work.recipe).digest() + work.split)
            values = [float(draws.random() < 0.5) for _ in range(ITEMS)]
            for task in work.context.tasks:
                places = range(ITEMS) if work.places is None else work.places[task]
                chosen = tuple(values[place] for place in places)
                scores[task] = TaskScores(chosen, 0, 0, 0, 5 * len(chosen))
        return Result(work.id, self._name, scores, None, 0.0, 0.0, parameters=1000)


class Inside:
    """Workers in the service's own process."""

    def __init__(self, size: int) -> None:
        self._workers = [Instant(f"worker-{number}") for number in range(size)]
        self._results: list[Result] = []

    @property
    def free(self) -> int:
        return len(self._workers) - len(self._results)

    def submit(self, work: Work) -> None:
        self._results.append(self._workers[len(self._results)].run(work))

    def wait(self, seconds: float) -> Sequence[Result]:
        if not self._results:
            time.sleep(min(seconds, 0.01))
        done, self._results = self._results, []
        return done

    def occupations(self) -> Sequence[Occupation]:
        return []

    def withdraw(self, ids: set[str]) -> None:
        self._results = [result for result in self._results if result.id not in ids]

    def close(self) -> None:
        self._results = []


def spec(trials: int, block: int | None) -> dict[str, Any]:
    """A search over the bundled parents, whose models are looked at and never loaded."""
    space = {
        "kind": "parameter",
        "method": "task_arithmetic",
        "base": "base",
        "parents": ["maths", "ja"],
        "layer_groups": 4,
    }
    return {
        "name": "overhead",
        "models": {name: {"ref": f"zoo/{name}"} for name in ("base", "maths", "ja")},
        "tasks": [{"task": "word_problems_ja"}],
        "allocation": {"kind": "full", "block": block},
        "baselines": {"averages": False, "grid_step": None},
        "stages": [
            {
                "name": "weights",
                "space": space,
                "sampler": {"kind": "cmaes", "population": 16},
                "budget": {"trials": trials},
            }
        ],
    }


def measured(
    folder: Path, database: str | None, make: MakeWorkers, job: dict[str, Any]
) -> tuple[float, float]:
    """Seconds from the first trial's beginning to the last one's end, and seconds of processor that
    the service took for the whole job."""
    settings = Settings(
        data_dir=folder, database=database, models_dir=REPOSITORY, workers=2, local=True
    )
    app = create_app(settings, make)
    with TestClient(app, base_url="http://127.0.0.1") as api:
        before = time.process_time()
        answer = api.post("/v1/jobs", json=job)
        assert answer.status_code == 201, answer.text
        path = f"/v1/jobs/{answer.json()['id']}"
        while (view := api.get(path).json())["state"] not in {"finished", "failed"}:
            time.sleep(0.5)
        processor = time.process_time() - before
    assert view["state"] == "finished", view["reason"]
    assert view["trials_finished"] == job["stages"][0]["budget"]["trials"]
    return float(view["search_seconds"]), processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--block", type=int)
    options = parser.parse_args()
    job = spec(options.trials, options.block)
    pieces = options.trials * (-(-ITEMS // options.block) if options.block else 1)
    print(_HEAD)
    with ExitStack() as stack:
        server = stack.enter_context(PostgresServer())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cuvee-overhead-")))
        stack.enter_context(local_cluster(options.workers))
        kinds: dict[str, MakeWorkers] = {
            "in the service": partial(Inside, options.workers),
            "on Ray": partial(Pool, options.workers, worker=Instant),
        }
        for database in ("SQLite", "PostgreSQL"):
            for name, make in kinds.items():
                url = server.create() if database == "PostgreSQL" else None
                took, processor = measured(folder / f"{database}-{name}", url, make, job)
                figures = " | ".join(
                    f"{1000 * seconds / count:.1f}"
                    for seconds in (took, processor)
                    for count in (options.trials, pieces)
                )
                print(f"| {database} | {name} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
