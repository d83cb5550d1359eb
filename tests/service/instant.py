"""A job's life driven in this process by an evaluator that answers at once.

Its scores are a function of the recipe and the split: what is tested is what the life makes of
them.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from merging.export import write_checkpoint
from service.controller.context import make_ready, with_built
from service.controller.life import Life
from service.controller.needs import Build, Need, Task
from service.controller.queueing import WorkQueue
from service.database import Database
from service.jobs import repository as jobs
from service.settings import Settings
from tests.instant_scores import nothing_scored, scored
from workers.work import Context, Result


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
