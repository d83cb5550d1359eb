"""Workers in the service's own process that answer after a given time, by the recipe alone."""

from __future__ import annotations

import time
from collections.abc import Sequence

from merging.recipe import Recipe
from tests.instant_scores import nothing_scored, scored
from workers.interface import Occupation
from workers.work import Evaluate, Result, Work, WriteCheckpoint


class InstantWorkers:
    """`size` workers that take `seconds` for whatever they do, which is real but for the scores."""

    def __init__(self, size: int, seconds: float) -> None:
        self._size = size
        self._seconds = seconds
        self._flying: dict[str, tuple[Work, float]] = {}
        self._begun: dict[str, float] = {}

    @property
    def free(self) -> int:
        return self._size - len(self._flying)

    def submit(self, work: Work) -> None:
        assert work.id not in self._flying, f"{work.id} is with a worker already"
        self._flying[work.id] = (work, time.monotonic() + self._seconds)
        self._begun[work.id] = time.time()

    def wait(self, seconds: float) -> Sequence[Result]:
        first = min((done for _, done in self._flying.values()), default=float("inf"))
        time.sleep(max(0.0, min(seconds, first - time.monotonic())))
        now = time.monotonic()
        ended = [work for work, done in self._flying.values() if done <= now]
        for work in ended:
            del self._flying[work.id]
        return [_answer_or_reason(work) for work in ended]

    def withdraw(self, ids: set[str]) -> None:
        for work_id in ids:
            del self._flying[work_id]

    def occupations(self) -> Sequence[Occupation]:
        busy = [Occupation("instant", "here", one, self._begun[one]) for one in self._flying]
        return [*busy, *(Occupation("instant", "here") for _ in range(self.free))]

    def close(self) -> None:
        self._flying.clear()


def _answer_or_reason(work: Work) -> Result:
    """A piece of work that raises is a result, as it is with real workers."""
    try:
        return _answer(work)
    except Exception as error:
        return Result(work.id, "instant", {}, f"{type(error).__name__}: {error}", 0.0, 0.0)


def _answer(work: Work) -> Result:
    recipe = Recipe.model_validate_json(work.recipe)
    if isinstance(work, Evaluate):
        return scored(work.id, work.context, recipe, work.split, work.places)
    if isinstance(work, WriteCheckpoint):
        # It brings torch along, which most of these services never need.
        from merging.export import write_checkpoint  # noqa: PLC0415

        steps = {name: Recipe.model_validate_json(step) for name, step in work.steps.items()}
        write_checkpoint(recipe, work.context.models, work.folder, steps=steps)
    return nothing_scored(work.id)
