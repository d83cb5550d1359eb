"""A job at a glance: the course of its search as a few numbers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, Field

from service.dashboard.repository import Ended

_POINTS = 48
_PACE = 30
_FEWEST = 3


class Glance(BaseModel):
    """What the job list shows of a job beyond its view."""

    parent: str | None = Field(description="The best parent on the search split.")
    parent_fitness: float | None
    course: list[float] = Field(description="Best fitness so far, evenly spread over the trials.")
    seconds_left: float | None = Field(description="Of the search, by its latest pace.")


def course(ended: Sequence[Ended]) -> list[float]:
    """The best fitness so far, at most 48 numbers evenly spread over the trials that have ended."""
    best: list[float] = []
    for trial in ended:
        if trial.fitness is not None:
            best.append(max(trial.fitness, best[-1]) if best else trial.fitness)
        elif best:
            best.append(best[-1])
    if len(best) <= _POINTS:
        return best
    step = (len(best) - 1) / (_POINTS - 1)
    return [best[round(place * step)] for place in range(_POINTS)]


def seconds_left(ended: Sequence[Ended], total: int | None, now: datetime) -> float | None:
    """How long the rest of the search takes at the pace of the latest trials; None while there are
    too few of them to tell, or where the budget has no limit on trials."""
    latest = [trial.at for trial in ended[-_PACE:] if trial.at is not None]
    if total is None or len(latest) < _FEWEST:
        return None
    newest = max(latest)
    each = (newest - min(latest)).total_seconds() / (len(latest) - 1)
    return max(0.0, (total - len(ended)) * each - (now - newest).total_seconds())
