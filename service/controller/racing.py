"""Racing in a job: which block of a trial is next, and which rival it has to reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from search.finalists import finalists
from search.item_blocks import Block
from search.racing import PEERS, Race, Rival, make_race, make_rival
from search.spec import RacingAllocation, SearchSpec
from service.controller.allocating import EveryFinalistIsWhole, JobLog, Verdict
from service.evaluations.repository import Subject
from service.tables import Trial
from workers.work import Result


class Racing(EveryFinalistIsWhole):
    """Every trial is scored block by block, and stopped once it is unlikely to reach its rival."""

    def __init__(self, settings: RacingAllocation, spec: SearchSpec, log: JobLog) -> None:
        self._settings = settings
        self._seed = spec.seed
        self._weights = {entry.task: entry.weight for entry in spec.tasks}
        self._log = log
        self._rivals: dict[tuple[str, int], Rival | None] = {}

    def blocks(self, trial: Trial) -> Sequence[Block]:
        """One after the other: each may be the last."""
        return [self._race.blocks[len(self._log.blocks.get(trial.number, {}))]]

    def judge(self, trial: Trial, scored: Mapping[int, Result]) -> Verdict | Sequence[Block]:
        done = self._race.blocks[: len(scored)]
        if len(done) == len(self._race.blocks):
            return Verdict(done, "finished")
        values = [
            {task: part.values for task, part in scored[block.number].scores.items()}
            for block in done
        ]
        rival = self._rival(trial.stage, trial.generation)
        if rival is None or not self._race.is_lost(values, rival):
            return [self._race.blocks[len(done)]]
        return Verdict(done, "stopped", self._race.estimate(values, rival))

    @cached_property
    def _race(self) -> Race:
        """The items in blocks."""
        return make_race(
            self._log.item_counts(),
            self._weights,
            first=self._settings.first,
            block=self._settings.block,
            error=self._settings.error,
            seed=self._seed,
        )

    def _rival(self, stage: str, generation: int) -> Rival | None:
        """The worst of the elite of the stage before the generation, once there is one.

        Seeds that are parents count at once: they have the parents' scores.
        """
        if (stage, generation) not in self._rivals:
            self._rivals[stage, generation] = self._make_rival(stage, generation)
        return self._rivals[stage, generation]

    def _make_rival(self, stage: str, generation: int) -> Rival | None:
        earlier = (
            one
            for one in self._log.scored_whole()
            if one.stage == stage
            and (one.generation < generation or one.digest in self._log.models)
        )
        elite = self._settings.elite
        best = finalists(earlier, max(elite, PEERS))
        if len(best) < elite:
            return None
        reached = self._log.trials[best[elite - 1]].fitness
        assert reached is not None
        scores = [self._log.recorded[Subject.trial(number), "search"].values() for number in best]
        return make_rival(scores[:PEERS], reached)
