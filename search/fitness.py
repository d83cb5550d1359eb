"""Fitness: one number from the scores of several tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping

from search.errors import FitnessError


def fitness(scores: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """The mean of `scores` by task, weighted by `weights` by task; higher is better.

    The sum runs in the order of task names, so that equal scores give equal bits. Raises
    FitnessError if the tasks differ, a score is not finite, or the weights do not sum to more
    than 0.
    """
    if scores.keys() != weights.keys():
        odd = ", ".join(sorted(scores.keys() ^ weights.keys()))
        raise FitnessError(f"a score without a weight, or a weight without a score: {odd}")
    for task, score in scores.items():
        if not math.isfinite(score):
            raise FitnessError(f"the score of {task!r} is {score}")
    total = math.fsum(weights.values())
    if not total > 0:
        raise FitnessError("the weights must sum to more than 0")
    return math.fsum(scores[task] * weights[task] for task in sorted(scores)) / total
