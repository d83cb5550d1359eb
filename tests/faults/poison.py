"""A worker in a process of its own to which some candidates are poison, each in another way."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from merging.recipe import Recipe
from tests.instant_scores import scored
from workers.limits import limit_memory
from workers.work import Evaluate, Result, Work


class PoisonWorker:
    """Answers at once by the recipe alone, unless the trial is one of `DEEDS`."""

    def __init__(self, name: str, memory: int | None = None) -> None:
        limit_memory(memory)
        self._name = name

    def ready(self) -> str:
        return self._name

    def run(self, work: Work) -> Result:
        try:
            return self._run(work)
        except Exception as error:
            return Result(work.id, self._name, {}, f"{type(error).__name__}: {error}", 0.0, 0.0)

    def _run(self, work: Work) -> Result:
        assert isinstance(work, Evaluate)
        recipe = Recipe.model_validate_json(work.recipe)
        result = scored(work.id, work.context, recipe, work.split, work.places)
        _, subject, _ = work.id.split(":")
        deed = DEEDS.get(subject)
        return result if deed is None else deed(result)


def _segfault(result: Result) -> Result:
    ctypes.string_at(0)
    return result


def _hang(result: Result) -> Result:
    while True:
        time.sleep(1.0)
    return result


def _eat_memory(result: Result) -> Result:
    # Written to, so that it is not merely promised.
    eaten = [b"x" * (1 << 26) for _ in range(1 << 12)]
    assert eaten
    return result


def _find_nothing(result: Result) -> Result:
    scores = {
        task: replace(one, values=(*one.values[:-1], float("nan")))
        for task, one in result.scores.items()
    }
    return replace(result, scores=scores)


DEEDS: Mapping[str, Callable[[Result], Result]] = {
    "trial/3": _segfault,
    "trial/5": _hang,
    "trial/4": _eat_memory,
    "trial/7": _find_nothing,
}
