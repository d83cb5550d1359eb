"""From all trials to one winner: the best go to the select split, and it decides."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Protocol

from search.errors import SearchError


class ScoredTrial(Protocol):
    """A trial as the trial log knows it. `fitness` is None for a trial that failed."""

    @property
    def number(self) -> int: ...

    @property
    def digest(self) -> str: ...

    @property
    def fitness(self) -> float | None: ...


def finalists(trials: Iterable[ScoredTrial], top_k: int) -> list[int]:
    """Numbers of the `top_k` best trials, best first; fewer if there are not that many.

    Failed trials do not count. Of trials with one recipe digest, which are one child, only the
    first counts; of equal fitness, the lower number comes first.
    """
    scored = (
        (-trial.fitness, trial.number, trial.digest)
        for trial in trials
        if trial.fitness is not None and math.isfinite(trial.fitness)
    )
    seen: set[str] = set()
    chosen: list[int] = []
    for _, number, digest in sorted(scored):
        if len(chosen) == top_k:
            break
        if digest not in seen:
            seen.add(digest)
            chosen.append(number)
    return chosen


def winner(select_scores: Mapping[int, float]) -> int:
    """The trial with the best fitness on the select split; of equals, the lowest number.

    `select_scores` is fitness by trial number. Raises SearchError if no score is a number.
    """
    finite = {number: score for number, score in select_scores.items() if math.isfinite(score)}
    if not finite:
        raise SearchError("no finalist has a score on the select split")
    return min(finite, key=lambda number: (-finite[number], number))
