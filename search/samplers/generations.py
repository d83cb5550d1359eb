"""The bookkeeping that all samplers share: numbers, open generations, failed trials.

What differs between samplers is a `Strategy` of two functions, neither of which sees an outcome
out of order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from search.errors import SamplerError
from search.gene import Gene, Genome
from search.samplers.base import Outcome, Sampler

CENSORED = -1e300
"""Values of censored trials lie between this and twice this, in the order of their estimates: below
all that a search measures, and above a failed trial's. Samplers here learn from ranks alone."""


@dataclass(frozen=True)
class Trial:
    """A trial to learn from. `value` is higher for better, and -inf for a failed trial.

    That of a censored trial is no estimate but a number that ranks it; see `CENSORED`.
    """

    number: int
    genome: Genome
    value: float


class Strategy(Protocol):
    """How a sampler proposes and learns."""

    def propose(self, first: int, n: int) -> Sequence[Sequence[float]]:
        """Genomes of trials first, ..., first + n - 1; they are clipped into bounds."""
        ...

    def learn(self, trials: Sequence[Trial]) -> None:
        """Take in a finished generation, in the order of numbers."""
        ...


class GenerationSampler(Sampler):
    """A sampler with one objective that follows a strategy."""

    def __init__(
        self, strategy: Strategy, genes: Sequence[Gene], batch: int, first_number: int
    ) -> None:
        self._strategy = strategy
        self._genes = tuple(genes)
        self._batch = batch
        self._next = first_number
        self._open: dict[int, Trial | None] = {}

    @property
    def batch(self) -> int:
        return self._batch

    @property
    def next_number(self) -> int:
        return self._next

    @property
    def pending(self) -> tuple[int, ...]:
        return tuple(number for number, trial in self._open.items() if trial is None)

    def ask(self, n: int) -> list[Genome]:
        if n < 1:
            raise SamplerError(f"a generation has at least one trial, not {n}")
        if self._open:
            raise SamplerError(f"trials {list(self.pending)} are not told yet")
        proposed = self._strategy.propose(self._next, n)
        self._open = dict.fromkeys(range(self._next, self._next + n))
        self._next += n
        return [
            tuple(gene.clip(float(x)) for gene, x in zip(self._genes, genome, strict=True))
            for genome in proposed
        ]

    def tell(self, number: int, genome: Genome, outcome: Outcome) -> None:
        if number not in self._open:
            raise SamplerError(f"trial {number} is not of the open generation")
        if self._open[number] is not None:
            raise SamplerError(f"trial {number} is told already")
        self._check(number, genome)
        self._open[number] = Trial(number, tuple(genome), _value(number, outcome))
        told = [trial for trial in self._open.values() if trial is not None]
        if len(told) == len(self._open):
            self._open = {}
            self._strategy.learn(told)

    def _check(self, number: int, genome: Genome) -> None:
        if len(genome) != len(self._genes):
            message = f"trial {number} has {len(genome)} genes, the space {len(self._genes)}"
            raise SamplerError(message)
        for gene, value in zip(self._genes, genome, strict=True):
            if not gene.low <= value <= gene.high:
                raise SamplerError(f"trial {number}: {gene.name} is {value}, out of bounds")


def _value(number: int, outcome: Outcome) -> float:
    if outcome.failed:
        return -math.inf
    if len(outcome.values) != 1:
        message = f"trial {number} has {len(outcome.values)} values; this sampler takes one"
        raise SamplerError(message)
    value = outcome.values[0]
    if not math.isfinite(value):
        return -math.inf
    # The arc tangent keeps order and has bounds.
    return CENSORED * (1.5 - math.atan(value) / math.pi) if outcome.censored else value
