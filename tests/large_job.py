"""A job of thousands of trials, written at once."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, update

from merging.recipe import Recipe
from search.gene import Gene
from search.spec import SearchSpec
from service.database import Database
from service.evaluations.repository import pack
from service.events import repository as events
from service.jobs import repository as jobs
from service.stages import repository as stages
from service.tables import Evaluation, Event, EventCursor, Score, Trial, now
from tests.zoo_spec import zoo_spec

TASK = "word_problems_ja"
STAGE = "weights"
_GENES = 20
_ITEMS = 256
_FAILED_EVERY = 50
# SQLite takes so many values in one statement.
_ROWS = 1000


class LargeJob:
    """A running job of `count` trials, with its parents scored."""

    def __init__(self, database: Database, count: int) -> None:
        self._database = database
        self._count = count
        self._begun = now() - timedelta(seconds=count)
        spec = SearchSpec.parse(zoo_spec(name="large", trials=count))
        genes = [Gene(f"gene {number}", -0.5, 1.5, 0.5) for number in range(_GENES)]
        with database.transaction() as session:
            self.id = jobs.create(session, "large", spec.model_dump(mode="json"), {}).id
            jobs.start(session, self.id)
            jobs.enter_phase(session, self.id, "search")
            stages.begin(session, self.id, STAGE, genes, seeds=[], first=0)
            for label, accuracy in {"base": 0.18, "maths": 0.42, "ja": 0.31}.items():
                parent = _evaluation(self.id, f"parent/{label}", accuracy, self._begun)
                session.execute(insert(Evaluation), parent[0])
                session.execute(insert(Score), parent[1])

    def write(self, first: int, count: int) -> None:
        """The ends of `count` trials from number `first` on, every fiftieth of them failed, and all
        that is recorded with them."""
        rows: dict[Any, list[dict[str, Any]]] = {Trial: [], Evaluation: [], Score: [], Event: []}
        with self._database.transaction() as session:
            cursor = events.newest(session) + 1
            for at, number in enumerate(range(first, first + count)):
                trial = _trial(self.id, number, self._count, self._begun)
                rows[Trial].append(trial)
                if trial["fitness"] is not None:
                    subject, ended = f"trial/{number}", trial["finished_at"]
                    parts = _evaluation(self.id, subject, trial["fitness"], ended)
                    rows[Evaluation].append(parts[0])
                    rows[Score].append(parts[1])
                rows[Event].append(_event(trial, cursor + at))
            for table, values in rows.items():
                for start in range(0, len(values), _ROWS):
                    session.execute(insert(table), values[start : start + _ROWS])
            session.execute(update(EventCursor).values(last=EventCursor.last + count))


def write_large_job(database: Database, count: int) -> str:
    """A running job whose `count` trials have ended. Gives its id."""
    job = LargeJob(database, count)
    job.write(0, count)
    return job.id


def _trial(job_id: str, number: int, count: int, begun: datetime) -> dict[str, Any]:
    draw = random.Random(number)
    genome = [draw.uniform(-0.5, 1.5) for _ in range(_GENES)]
    weights = [round(value, 6) for value in genome]
    recipe = Recipe.parse(
        {
            "merge_method": "task_arithmetic",
            "base_model": "zoo/base",
            "dtype": "float32",
            "models": [
                {"model": "zoo/maths", "parameters": {"weight": weights[:10]}},
                {"model": "zoo/ja", "parameters": {"weight": weights[10:]}},
            ],
        }
    )
    failed = number % _FAILED_EVERY == _FAILED_EVERY - 1
    rising = 0.2 + 0.4 * number / count + draw.gauss(0, 0.05)
    return {
        "job_id": job_id,
        "number": number,
        "stage": STAGE,
        "generation": number // 10,
        "genome": genome,
        "recipe": recipe.model_dump(mode="json", exclude_none=True),
        "digest": recipe.digest(),
        "state": "failed" if failed else "finished",
        "fitness": None if failed else min(1.0, max(0.0, rising)),
        "reason": "EngineError: the child holds NaN" if failed else None,
        "n": 0 if failed else _ITEMS,
        "tokens": 0 if failed else 9000,
        "shortfall": 0.0,
        "created_at": begun + timedelta(seconds=number),
        "finished_at": begun + timedelta(seconds=number + 1),
    }


def _event(trial: dict[str, Any], cursor: int) -> dict[str, Any]:
    names = ("stage", "generation", "state", "fitness", "n", "tokens", "shortfall", "reason")
    unknown = {"censored": False, "estimate": None, "same_as": None}
    return {
        "id": cursor,
        "job_id": trial["job_id"],
        "kind": "trial.finished",
        "data": {"trial": trial["number"], **{name: trial[name] for name in names}, **unknown},
        "created_at": trial["finished_at"],
    }


def _evaluation(
    job_id: str, subject: str, accuracy: float, at: datetime
) -> tuple[dict[str, Any], dict[str, Any]]:
    correct = round(accuracy * _ITEMS)
    key = {"job_id": job_id, "subject": subject, "split": "search"}
    seconds = {"merge_seconds": 0.1, "score_seconds": 0.8}
    nothing = {"truncated": 0, "no_answer": 0, "wrong_language": 0, "failures": {}}
    score = {
        **key,
        **nothing,
        "task": TASK,
        "n": _ITEMS,
        "mean": correct / _ITEMS,
        "items": pack((1.0,) * correct + (0.0,) * (_ITEMS - correct)),
        "tokens": 9000,
    }
    return {**key, **seconds, "worker": "worker", "finished_at": at}, score
