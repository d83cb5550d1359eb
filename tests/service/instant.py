"""A job's life driven in this process by an evaluator that answers at once.

Its scores are a function of the recipe and the split: what is tested is what the life makes of
them.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi.testclient import TestClient

from merging.export import write_checkpoint
from service.controller.context import make_ready, with_built
from service.controller.life import Life
from service.controller.needs import Build, Need, Task
from service.controller.queueing import WorkQueue
from service.database import Database
from service.events import repository as events
from service.jobs import repository as jobs
from service.settings import Settings
from tests.instant_scores import nothing_scored, scored
from tests.trial_log import trial_log
from workers.work import Context, Result

LAYERS = {
    "name": "layers",
    "space": {"kind": "dataflow", "parents": ["weights.best", "left"], "scales": False},
    "sampler": {"kind": "random", "batch": 3},
}
"""A second stage: paths through the best child of the first."""


def answer(need: Task, context: Context) -> Result:
    """What a worker would answer, in no time."""
    if isinstance(need, Build):
        write_checkpoint(need.recipe, context.models, need.folder, steps=need.steps)
    if not isinstance(need, Need):
        return nothing_scored("")
    places = None if need.block is None else need.block.places
    return scored("", context, need.recipe, need.split, places)


Answer = Callable[[Task, Context], Result]


def live(
    database: Database,
    settings: Settings,
    job_id: str,
    *,
    answers: int | None = None,
    workers: int = 1,
    answer: Answer = answer,
) -> int:
    """Take a job up and live it to its end, or until so many answers are recorded.

    Of what is with the workers, any may be the next to end. Gives the number of answers; a job that
    came to its end is finished.
    """
    with database.snapshot() as session:
        ready = make_ready(jobs.get(session, job_id), settings)
    with database.transaction() as session:
        jobs.start(session, job_id)
    life = Life(database, job_id, ready.spec, ready.shapes, settings.built_dir / job_id)
    queue: WorkQueue[Task, Result] = WorkQueue(life)
    flying: list[Task] = []
    given, draws = 0, random.Random(workers)
    while True:
        while len(flying) < workers and (task := queue.next()) is not None:
            flying.append(task)
        if not flying:
            break
        if given == answers:
            return given
        task = flying.pop(draws.randrange(len(flying)))
        queue.record(task, answer(task, with_built(ready.context, life.built)))
        given += 1
    with database.transaction() as session:
        jobs.end(session, job_id, "finished")
    return given


@dataclass(frozen=True)
class Bench:
    """A service without workers, and its jobs lived in this process."""

    api: TestClient
    database: Database
    settings: Settings

    def submit(self, spec: dict[str, Any]) -> str:
        answer = self.api.post("/v1/jobs", json=spec)
        assert answer.status_code == 201, answer.text
        job_id: str = answer.json()["id"]
        return job_id

    def live(self, job_id: str, answers: int | None = None, **more: Any) -> int:
        return live(self.database, self.settings, job_id, answers=answers, **more)

    def live_in_pieces(self, job_id: str, answers: int, **more: Any) -> None:
        """Begin a new life after so many answers, again and again."""
        while self.live(job_id, answers, **more) == answers:
            continue

    def log(self, job_id: str) -> list[dict[str, Any]]:
        return trial_log(self.settings.data_dir, job_id)

    def events(self, job_id: str, kind: str) -> list[dict[str, Any]]:
        with self.database.snapshot() as session:
            return events.data_of(session, job_id, kind)

    def get(self, path: str, **query: Any) -> Any:
        answer = self.api.get(f"/v1/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()
