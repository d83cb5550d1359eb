"""What the trial log says to those who go on from it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from search.replay import LoggedTrial
from search.samplers.base import Outcome
from service.tables import Trial


def generations_of(trials: Iterable[Trial], stage: str) -> list[list[Trial]]:
    """The generations of a stage, from all trials in order."""
    mine = (trial for trial in trials if trial.stage == stage)
    return [list(group) for _, group in groupby(mine, lambda trial: trial.generation)]


def logged(trial: Trial) -> LoggedTrial:
    """The trial as a replay takes it."""
    ended = None if trial.state == "pending" else outcome(trial)
    return LoggedTrial(trial.number, tuple(trial.genome), ended, trial.asked_after, trial.told)


def outcome(trial: Trial) -> Outcome:
    """What an ended trial came to. An estimate stays one, even of a trial scored whole later."""
    if trial.estimate is not None and trial.estimate_n is not None:
        return Outcome(values=(trial.estimate,), n=trial.estimate_n)
    if trial.fitness is None:
        return Outcome(values=(), n=0, failed=True)
    return Outcome(
        values=(trial.fitness,) if trial.objectives is None else tuple(trial.objectives),
        n=trial.n,
        censored=trial.censored,
        constraints=tuple(trial.constraints or ()),
    )


def original_of(trials: Iterable[Trial], trial: Trial) -> Trial | None:
    """Of the trials of one digest, in order, an earlier one whose scores are this one's as well.

    One that was stopped, or estimated, has been measured by what its own stage knows.
    """
    for earlier in trials:
        if earlier.number >= trial.number:
            break
        known = earlier.state in ("stopped", "estimated") and earlier.stage == trial.stage
        if earlier.state == "finished" or known:
            return earlier
    return None
