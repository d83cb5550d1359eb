"""The bookkeeping that all samplers share: numbers, open generations, given genomes, failed trials.

What differs between samplers is a `Strategy`, which sees no outcome out of order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from search.errors import SamplerError
from search.gene import Gene, Genome
from search.samplers.base import Outcome, Sampler

FAILED = 5.0
"""The shortfall of a failed trial. That of an infeasible one is from 3 to 4, of a censored one from
1 to 2, and of one that was scored whole and meets its constraints 0."""
SHORT = -1e300
"""Ranks of trials with a shortfall are multiples of this: below all that a search measures."""


@dataclass(frozen=True)
class Trial:
    """A trial to learn from.

    `values`: one finite number an objective, higher is better; empty if it failed. `shortfall`
    puts trials in classes before their values count: the less the better (see `FAILED`).
    `constraints` are at most 0 where satisfied; empty if it failed. `given` ones were not drawn.
    """

    number: int
    genome: Genome
    values: tuple[float, ...]
    shortfall: float = 0.0
    constraints: tuple[float, ...] = ()
    given: bool = False

    @property
    def rank(self) -> float:
        """A number that orders trials with one objective as the contract says, higher is better.

        It is the value itself where nothing falls short, and -inf for a failed trial.
        """
        if self.shortfall == FAILED:
            return -math.inf
        return SHORT * self.shortfall if self.shortfall else self.values[0]


class Strategy(Protocol):
    """How a sampler proposes and learns."""

    @property
    def batch(self) -> int:
        """Trials of a full generation, as of now."""
        ...

    def propose(self, first: int, n: int) -> Sequence[Sequence[float]]:
        """Genomes of trials first, ..., first + n - 1; they are clipped into bounds."""
        ...

    def learn(self, trials: Sequence[Trial]) -> None:
        """Take in a finished generation, in the order of numbers.

        Not all of it need have been proposed: genomes may be given, or come from a log.
        """
        ...


class GenerationSampler(Sampler):
    """A sampler that follows a strategy, after the genomes in `seeds`.

    Raises SamplerError for a seed of the wrong length or out of bounds.
    """

    def __init__(
        self,
        strategy: Strategy,
        genes: Sequence[Gene],
        first_number: int = 0,
        *,
        objectives: int = 1,
        seeds: Sequence[Genome] = (),
    ) -> None:
        self._strategy = strategy
        self._genes = tuple(genes)
        self._objectives = objectives
        self._seeds = [tuple(seed) for seed in seeds]
        for place, seed in enumerate(self._seeds):
            self._check(f"seed {place}", seed)
        self._first = self._next = first_number
        self._drawn_from = first_number + len(self._seeds)
        self._open: dict[int, Trial | None] = {}

    @property
    def batch(self) -> int:
        return len(self._seeds) or self._strategy.batch

    @property
    def next_number(self) -> int:
        return self._next

    @property
    def pending(self) -> tuple[int, ...]:
        return tuple(number for number, trial in self._open.items() if trial is None)

    def recall(self, known: Sequence[tuple[Genome, Outcome]]) -> None:
        if self._next != self._first:
            raise SamplerError("what is known besides comes before the first trial")
        for genome, _ in known:
            self._check("a known trial", genome)
        self._strategy.learn(
            [
                self._trial(number - len(known), tuple(genome), outcome)
                for number, (genome, outcome) in enumerate(known)
            ]
        )

    def ask(self, n: int) -> list[Genome]:
        if n < 1:
            raise SamplerError(f"a generation has at least one trial, not {n}")
        self._check_turn()
        given, self._seeds = self._seeds[:n], self._seeds[n:]
        drawn = n - len(given)
        proposed = self._strategy.propose(self._next + len(given), drawn) if drawn else []
        self._open |= dict.fromkeys(range(self._next, self._next + n))
        self._next += n
        clipped = [
            tuple(gene.clip(float(x)) for gene, x in zip(self._genes, genome, strict=True))
            for genome in proposed
        ]
        return given + clipped

    def tell(self, number: int, genome: Genome, outcome: Outcome) -> None:
        if number not in self._open:
            raise SamplerError(f"trial {number} is not of the open generation")
        if self._open[number] is not None:
            raise SamplerError(f"trial {number} is told already")
        self._check(f"trial {number}", genome)
        told = self._trial(number, tuple(genome), outcome)
        self._open[number] = replace(told, given=number < self._drawn_from)
        if ripe := self._ripe():
            self._open = {at: trial for at, trial in self._open.items() if at not in ripe}
            self._strategy.learn(list(ripe.values()))

    def _check_turn(self) -> None:
        """Raises SamplerError if no trial may be asked for now."""
        if self._open:
            raise SamplerError(f"trials {list(self.pending)} are not told yet")

    def _ripe(self) -> dict[int, Trial]:
        """The trials to be learnt now, by number: the whole generation once all of it is told."""
        told = {number: trial for number, trial in self._open.items() if trial is not None}
        return told if len(told) == len(self._open) else {}

    def _check(self, what: str, genome: Genome) -> None:
        if len(genome) != len(self._genes):
            raise SamplerError(f"{what} has {len(genome)} genes, the space {len(self._genes)}")
        for gene, value in zip(self._genes, genome, strict=True):
            if not gene.low <= value <= gene.high:
                raise SamplerError(f"{what}: {gene.name} is {value}, out of bounds")

    def _trial(self, number: int, genome: Genome, outcome: Outcome) -> Trial:
        if not outcome.failed and len(outcome.values) != self._objectives:
            taken = "one" if self._objectives == 1 else str(self._objectives)
            message = f"trial {number} has {len(outcome.values)} values; this sampler takes {taken}"
            raise SamplerError(message)
        if outcome.failed or not all(map(math.isfinite, (*outcome.values, *outcome.constraints))):
            return Trial(number, genome, (), FAILED)
        shortfall = _shortfall(outcome)
        return Trial(number, genome, outcome.values, shortfall, outcome.constraints)


def _shortfall(outcome: Outcome) -> float:
    # The arc tangent keeps order and has bounds.
    missed = math.fsum(max(0.0, constraint) for constraint in outcome.constraints)
    if missed > 0:
        return 3 + 2 * math.atan(missed) / math.pi
    if outcome.censored:
        return 1.5 - math.atan(math.fsum(outcome.values) / len(outcome.values)) / math.pi
    return 0.0
