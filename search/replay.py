"""A sampler restored from the trial log: the log is the only truth, and replaying it is exact."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from search.errors import SamplerError
from search.gene import Genome
from search.samplers.base import Outcome, Sampler

AnySampler = TypeVar("AnySampler", bound=Sampler)


@dataclass(frozen=True)
class LoggedTrial:
    """A trial as it was recorded. `outcome` is None if the log ends before the trial does."""

    number: int
    genome: Genome
    outcome: Outcome | None = None


Generation = Sequence[LoggedTrial]


@dataclass(frozen=True)
class ReplayReport:
    """What a replay met.

    `diverged`: trials whose recorded genome is not the one that the sampler proposes now. The
    record wins; the count says that versions or hardware changed, or the log was edited.
    """

    trials: int = 0
    diverged: int = 0


def replay(sampler: AnySampler, history: Iterable[Generation]) -> tuple[AnySampler, ReplayReport]:
    """Bring a fresh sampler to where the log ends.

    `history` holds generations in order, trials in the order of their numbers. The next `ask`
    then gives the genomes that the undisturbed run would have drawn. If the last generation has
    trials without an outcome, it stays open, and they are to be told as they finish.
    Raises SamplerError if numbers do not follow one another, or a generation is empty.
    """
    trials = diverged = 0
    for generation in history:
        if not generation:
            raise SamplerError("a generation of the log is empty")
        expected = range(sampler.next_number, sampler.next_number + len(generation))
        if [trial.number for trial in generation] != list(expected):
            raise SamplerError(f"the log lacks trials of {expected[0]} to {expected[-1]}")
        proposed = sampler.ask(len(generation))
        for trial, genome in zip(generation, proposed, strict=True):
            trials += 1
            diverged += tuple(trial.genome) != genome
            if trial.outcome is not None:
                sampler.tell(trial.number, tuple(trial.genome), trial.outcome)
    return sampler, ReplayReport(trials, diverged)
