"""A job's life driven in this process by an evaluator that answers at once.

Its scores are a function of the recipe and the split: what is tested is what the life makes of
them.
"""

from __future__ import annotations

from collections import deque

from merging.export import write_checkpoint
from service.controller.context import make_ready, with_built
from service.controller.life import Life
from service.controller.needs import Build, Need, Task
from service.database import Database
from service.jobs import repository as jobs
from service.settings import Settings
from tests.instant_scores import nothing_scored, scored
from workers.work import Context, Result


def live(database: Database, settings: Settings, job_id: str, *, answers: int | None = None) -> int:
    """Take a job up and live it to its end, or until so many answers are recorded.

    Gives the number of answers; a job that came to its end is finished.
    """
    with database.snapshot() as session:
        ready = make_ready(jobs.get(session, job_id), settings)
    with database.transaction() as session:
        jobs.start(session, job_id)
    life = Life(database, job_id, ready.spec, ready.shapes, settings.built_dir / job_id)
    given = 0
    for step in life.steps():
        waiting = deque(step)
        while waiting:
            if given == answers:
                return given
            need = waiting.popleft()
            context = with_built(ready.context, life.built)
            waiting.extendleft(reversed(life.record(need, answer(need, context))))
            given += 1
    with database.transaction() as session:
        jobs.end(session, job_id, "finished")
    return given


def answer(need: Task, context: Context) -> Result:
    """What a worker would answer, in no time."""
    if isinstance(need, Build):
        write_checkpoint(need.recipe, context.models, need.folder, steps=need.steps)
    if not isinstance(need, Need):
        return nothing_scored("")
    places = None if need.block is None else need.block.places
    return scored("", context, need.recipe, need.split, places)
