"""What a stage has spent, and whether that ends it.

Both follow from the trial log alone, times included, so that a resumed job decides as it did. With
a limit on seconds, two runs of one spec may end after different trials; a replay never does.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Literal, Protocol

from search.budget_spec import TRIALS_LIMIT, Budget

Limit = Literal["trials", "items", "tokens", "seconds", "patience", "nothing new"]

IDLE = 1000
"""A stage without a limit on trials ends when so many in a row were failed, or copies of others:
neither items nor tokens are spent on those."""


class EndedTrial(Protocol):
    """A trial as the log knows it. `fitness` is None if it failed; `censored`: it is an estimate;
    `same_as`: the trial that its scores were copied from."""

    @property
    def fitness(self) -> float | None: ...

    @property
    def censored(self) -> bool: ...

    @property
    def n(self) -> int: ...

    @property
    def tokens(self) -> int: ...

    @property
    def same_as(self) -> int | None: ...

    @property
    def created_at(self) -> datetime: ...

    @property
    def finished_at(self) -> datetime | None: ...


class Meter:
    """Counts a stage's generations, in order, against its budget.

    `renewals` are the numbers of trials after which it was given more: a plateau is waited for
    anew.
    """

    def __init__(self, budget: Budget, renewals: Collection[int] = ()) -> None:
        self._budget = budget
        self._renewals = frozenset(renewals)
        self.trials = 0
        self.items = 0
        self.tokens = 0
        self._spans: list[tuple[datetime, datetime]] = []
        self._best = -math.inf
        self._waited = 0
        self._idle = 0

    def add(self, generation: Sequence[EndedTrial]) -> None:
        """Count a generation whose trials have all ended."""
        for trial in generation:
            self.trials += 1
            self.tokens += trial.tokens
            fresh = trial.same_as is None
            self.items += trial.n if fresh else 0
            self._idle = 0 if fresh and trial.fitness is not None else self._idle + 1
            self._wait(trial)
        ends = [trial.finished_at for trial in generation if trial.finished_at is not None]
        if ends:
            self._span(min(trial.created_at for trial in generation), max(ends))
        if self.trials in self._renewals:
            self._waited = self._idle = 0

    @property
    def seconds(self) -> float:
        """The time in which at least one generation was under way."""
        return math.fsum((end - begin).total_seconds() for begin, end in self._spans)

    @property
    def room(self) -> int:
        """How many more trials there may be."""
        return (self._budget.trials or TRIALS_LIMIT) - self.trials

    @property
    def reached(self) -> Limit | None:
        """The limit that ends the stage, once there is one."""
        budget = self._budget
        spent: tuple[tuple[Limit, float, float | None], ...] = (
            ("trials", self.trials, budget.trials or TRIALS_LIMIT),
            ("items", self.items, budget.items),
            ("tokens", self.tokens, budget.tokens),
            ("seconds", self.seconds, budget.seconds),
            ("patience", self._waited, budget.patience),
            ("nothing new", self._idle, IDLE if budget.trials is None else None),
        )
        return next((name for name, used, limit in spent if limit and used >= limit), None)

    def _span(self, begin: datetime, end: datetime) -> None:
        """Put a span of time with those that it touches: in steady state generations of one trial
        overlap. They are added in the order of their ends."""
        while self._spans and self._spans[-1][1] >= begin:
            earlier, later = self._spans.pop()
            begin, end = min(begin, earlier), max(end, later)
        self._spans.append((begin, end))

    def _wait(self, trial: EndedTrial) -> None:
        """A slow rise counts as soon as it adds up: the best is that of the last improvement."""
        self._waited += 1
        if trial.fitness is None or trial.censored:
            return
        if trial.fitness > self._best + self._budget.min_improvement:
            self._best = trial.fitness
            self._waited = 0
