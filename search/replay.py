"""A sampler restored from the trial log: the log is the only truth, and replaying it is exact."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from search.errors import SamplerError
from search.gene import Genome
from search.samplers.base import Outcome, Sampler

AnySampler = TypeVar("AnySampler", bound=Sampler)


@dataclass(frozen=True)
class LoggedTrial:
    """A trial as it was recorded. `outcome` is None if the log ends before the trial does.

    In steady state `asked_after` is how many outcomes were told before it was asked for, and `told`
    how many before its own.
    """

    number: int
    genome: Genome
    outcome: Outcome | None = None
    asked_after: int | None = None
    told: int | None = None


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
            _tell(sampler, trial)
    return sampler, ReplayReport(trials, diverged)


def replay_steady(
    sampler: AnySampler, history: Sequence[LoggedTrial]
) -> tuple[AnySampler, ReplayReport]:
    """Bring a fresh steady sampler to where the log ends, asking and telling in the log's order.

    `history` holds trials in the order of their numbers. Trials without an outcome are pending
    afterwards. Raises SamplerError if numbers do not follow one another, or the order is not whole.
    """
    told = {one.told: one for one in history if one.told is not None}
    if sorted(told) != list(range(len(told))):
        raise SamplerError("the log lacks outcomes in the order in which they were told")
    outcomes = deque(told[at] for at in range(len(told)))
    diverged = done = 0
    for asked in history:
        if asked.number != sampler.next_number:
            raise SamplerError(f"the log lacks trial {sampler.next_number}")
        if asked.asked_after is None or asked.asked_after > len(told):
            raise SamplerError(f"the log lacks what trial {asked.number} was asked after")
        while done < asked.asked_after:
            _tell(sampler, outcomes.popleft())
            done += 1
        (genome,) = sampler.ask(1)
        diverged += tuple(asked.genome) != genome
    for trial in outcomes:
        _tell(sampler, trial)
    return sampler, ReplayReport(len(history), diverged)


def _tell(sampler: Sampler, trial: LoggedTrial) -> None:
    if trial.outcome is not None:
        sampler.tell(trial.number, tuple(trial.genome), trial.outcome)
