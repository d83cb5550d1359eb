"""A stage in steady state: its next trial is asked for as soon as a worker is free."""

from __future__ import annotations

from collections.abc import Sequence

from search.budget import Meter
from search.samplers.base import Sampler
from search.spaces import Space
from service.controller.history import outcome
from service.controller.needs import Need
from service.controller.recording import Recorder
from service.tables import Trial
from service.trials.repository import Proposal


class Steady:
    """One stage on its way. `past` are its recorded trials, which the sampler was replayed with.

    Each trial is a generation of its own, committed before it is handed out with the number of
    outcomes that its draw knew of. A child that is on its way already is scored again: whose scores
    it would copy is not known yet.
    """

    def __init__(
        self,
        stage: str,
        space: Space,
        sampler: Sampler,
        *,
        meter: Meter,
        recorder: Recorder,
        past: Sequence[Trial],
    ) -> None:
        self._stage = stage
        self._space = space
        self._sampler = sampler
        self._meter = meter
        self._recorder = recorder
        self._pending = {one.number: one for one in past if one.told is None}
        self._asked = len(past)
        told = {one.told: one for one in past if one.told is not None}
        for place in sorted(told):
            meter.add([told[place]])

    def resume(self) -> list[Need]:
        """What is left of the trials that the log ends with."""
        left = [one for one in [*self._pending.values()] if not self._copied(one)]
        return [need for trial in left for need in self._recorder.needs(trial)]

    def more(self) -> list[Need]:
        """What the next trial has to be scored on; nothing once the budget is given out."""
        while not self._meter.reached and self._meter.room > len(self._pending):
            trial = self._ask()
            if not self._copied(trial):
                return self._recorder.needs(trial)
        return []

    def learn(self, trial: Trial) -> None:
        """Tell the sampler of a trial once it has ended."""
        if trial.told is not None and self._pending.pop(trial.number, None) is not None:
            self._sampler.tell(trial.number, tuple(trial.genome), outcome(trial))
            self._meter.add([trial])

    def _ask(self) -> Trial:
        number = self._sampler.next_number
        (genome,) = self._sampler.ask(1)
        told = self._recorder.told(self._stage)
        proposal = Proposal(number, genome, self._space.decode(genome), told)
        (trial,) = self._recorder.commit(self._stage, self._asked, [proposal])
        self._pending[number] = trial
        self._asked += 1
        return trial

    def _copied(self, trial: Trial) -> bool:
        """Whether the trial has ended at once, as a copy."""
        ended = self._recorder.copy(trial)
        self.learn(trial)
        return ended
