"""Several objectives and constraints: a child's values, what it misses, and who is on the front."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from search.errors import FieldError
from search.finalists import ScoredTrial
from search.objectives_spec import Constraint, Objectives, Pareto

if TYPE_CHECKING:
    from search.spec import SearchSpec

SIZE, SPEED = "size", "speed"
MEASURES = (SIZE, SPEED)


@dataclass(frozen=True)
class Found:
    """What was measured of a child: fitness, mean score by task, its number of parameters, and
    tokens generated a second."""

    fitness: float
    means: Mapping[str, float]
    parameters: int
    speed: float


def values_of(objectives: Objectives, found: Found) -> tuple[float, ...]:
    """One number an objective, higher is better."""
    if not isinstance(objectives, Pareto):
        return (found.fitness,)
    measures = {SIZE: -float(found.parameters), SPEED: found.speed}
    known = {**found.means, **measures}
    return tuple(known[name] for name in objectives.over)


def named_values(objectives: Objectives, values: Sequence[float]) -> dict[str, float]:
    """Values by objective as people say them: a size is a number of parameters."""
    names = objectives.over if isinstance(objectives, Pareto) else ("fitness",)
    named = dict(zip(names, values, strict=True))
    return {name: -value if name == SIZE else value for name, value in named.items()}


def missed(
    constraints: Iterable[Constraint],
    means: Mapping[str, float],
    of_models: Mapping[str, Mapping[str, float]],
) -> tuple[float, ...]:
    """For each constraint the score that is needed less the score that is there: at most 0 where it
    is met. `of_models` are the mean scores of models by alias, on the same items."""
    return tuple(needed(one, of_models) - means[one.task] for one in constraints)


def needed(constraint: Constraint, of_models: Mapping[str, Mapping[str, float]]) -> float:
    """The score that a constraint asks for."""
    if constraint.of is None:
        return constraint.at_least
    return constraint.at_least * of_models[constraint.of][constraint.task]


def shortfall(constraints: Iterable[float]) -> float:
    """By how much constraints are missed in all; 0 where each is met."""
    return math.fsum(max(0.0, amount) for amount in constraints)


class Candidate(ScoredTrial, Protocol):
    """A trial as the trial log knows it, scored whole."""

    @property
    def objectives(self) -> Sequence[float] | None: ...

    @property
    def constraints(self) -> Sequence[float] | None: ...


def front(candidates: Iterable[Candidate]) -> list[int]:
    """Numbers of the candidates that meet all constraints and that no such candidate dominates:
    none is as good in every objective and better in one. Of one child only the first counts.

    First the one of the best fitness, then by how far apart they are: the crowding distance of
    NSGA-II (Deb et al. 2002, section III.B), so that the first few span the front.
    """
    kept: dict[str, Candidate] = {}
    for one in sorted(candidates, key=lambda one: one.number):
        if one.objectives is not None and not shortfall(one.constraints or ()):
            kept.setdefault(one.digest, one)
    values = {one.number: tuple(one.objectives or ()) for one in kept.values()}
    best = {
        number: mine
        for number, mine in values.items()
        if not any(_dominates(other, mine) for other in values.values())
    }
    apart = _crowding(best)
    fitness = {
        one.number: -math.inf if one.fitness is None else one.fitness for one in kept.values()
    }
    order = sorted(best, key=lambda number: (-apart[number], -fitness[number], number))
    first = min(best, key=lambda number: (-fitness[number], number), default=None)
    return [] if first is None else [first, *(number for number in order if number != first)]


def _dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    return one != other and all(a >= b for a, b in zip(one, other, strict=True))


def _crowding(points: Mapping[int, Sequence[float]]) -> dict[int, float]:
    distances = dict.fromkeys(points, 0.0)
    for axis in range(len(next(iter(points.values()), ()))):
        order = sorted(points, key=lambda number: (points[number][axis], number))
        low, high = points[order[0]][axis], points[order[-1]][axis]
        distances[order[0]] = distances[order[-1]] = math.inf
        if high > low:
            for before, number, after in zip(order, order[1:], order[2:], strict=False):
                gap = points[after][axis] - points[before][axis]
                distances[number] += gap / (high - low)
    return distances


def check_objectives(spec: SearchSpec) -> Iterator[FieldError]:
    """What is wrong with a spec's objectives and constraints."""
    tasks = [entry.task for entry in spec.tasks]
    over = spec.objectives.over if isinstance(spec.objectives, Pareto) else ()
    for index, name in enumerate(over):
        if name not in (*tasks, *MEASURES):
            message = f"{name!r} is no task of this search, and neither size nor speed"
            yield FieldError(f"objectives.over.{index}", message)
        elif Counter(over[:index])[name]:
            yield FieldError(f"objectives.over.{index}", f"{name!r} is listed twice")
    for index, one in enumerate(spec.constraints):
        if one.task not in tasks:
            message = f"{one.task!r} is no task of this search"
            yield FieldError(f"constraints.{index}.task", message)
        if one.of is not None and one.of not in spec.models:
            yield FieldError(f"constraints.{index}.of", f"{one.of!r} is not among the models")
        if one.of is None and one.at_least > 1:
            message = "scores are 1 at most; say of which model it is a multiple"
            yield FieldError(f"constraints.{index}.at_least", message)
    for index, stage in enumerate(spec.stages):
        if (over or spec.constraints) and stage.warm_start is not None:
            message = (
                "what is known of a trial is its fitness: it takes one objective and no constraint"
            )
            yield FieldError(f"stages.{index}.warm_start", message)
    if (over or spec.constraints) and spec.allocation.kind != "full":
        message = "with several objectives, or constraints, every candidate is scored whole"
        yield FieldError("allocation.kind", f"{message}: write full")
