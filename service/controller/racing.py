"""Racing in a job: which block of a trial is next, and which rival it has to reach."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from search.finalists import finalists
from search.racing import PEERS, Block, Race, Rival, make_race, make_rival
from search.spec import RacingAllocation, SearchSpec
from service.controller.allocating import JobLog, Verdict
from service.controller.errors import NoChild
from service.evaluations.repository import Subject
from service.tables import Trial
from workers.work import Result


class Racing:
    """Every trial is scored block by block, and stopped once it is shown to be too weak."""

    def __init__(self, settings: RacingAllocation, spec: SearchSpec, log: JobLog) -> None:
        self._settings = settings
        self._seed = spec.seed
        self._weights = {entry.task: entry.weight for entry in spec.tasks}
        self._log = log
        self._rivals: dict[tuple[str, int], Rival | None] = {}

    def next_block(self, trial: Trial) -> Block | None:
        return self._race.blocks[len(self._log.blocks.get(trial.number, []))]

    def judge(self, trial: Trial, scored: Sequence[Result]) -> Verdict | None:
        done = self._race.blocks[: len(scored)]
        if len(done) == len(self._race.blocks):
            return Verdict(done, "finished")
        values = [{task: part.values for task, part in one.scores.items()} for one in scored]
        rival = self._rival(trial.stage, trial.generation)
        if rival is None or not self._race.is_lost(values, rival):
            return None
        return Verdict(done, "stopped", self._race.estimate(values, rival))

    @cached_property
    def _race(self) -> Race:
        """The items in blocks. How many items there are is what the parents were scored on."""
        for recorded in self._log.parents().values():
            return make_race(
                {task: score.n for task, score in recorded.scores.items()},
                self._weights,
                first=self._settings.first,
                block=self._settings.block,
                error=self._settings.error,
                seed=self._seed,
            )
        raise NoChild("no parent could be scored; the reasons are in the evaluations")

    def _rival(self, stage: str, generation: int) -> Rival | None:
        """The worst of the elite of the stage before the generation, once there is one."""
        if (stage, generation) not in self._rivals:
            self._rivals[stage, generation] = self._make_rival(stage, generation)
        return self._rivals[stage, generation]

    def _make_rival(self, stage: str, generation: int) -> Rival | None:
        earlier = (
            one
            for one in self._log.scored_whole()
            if one.stage == stage and one.generation < generation
        )
        elite = self._settings.elite
        best = finalists(earlier, max(elite, PEERS))
        if len(best) < elite:
            return None
        reached = self._log.trials[best[elite - 1]].fitness
        assert reached is not None
        scores = [self._log.recorded[Subject.trial(number), "search"].values() for number in best]
        return make_rival(scores[:PEERS], reached)
