"""Anchors in a job: which trials calibrate a stage, and which are estimated or scored again.

A stage's first generations are scored whole. From them, and all else of the job that was, follows
the stage's design, which is recorded and stays the same for the rest of the stage.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from threadpoolctl import threadpool_limits

from search.finalists import finalists
from search.fitness import fitness
from search.item_blocks import Block
from search.item_response.calibrating import Calibrated, calibrate
from search.item_response.design import Design
from search.spec import AnchorsAllocation, SearchSpec
from service.controller.allocating import JobLog, Verdict
from service.controller.errors import NoChild
from service.database import Database
from service.evaluations import designs
from service.evaluations.repository import Recorded, Subject
from service.tables import Trial
from workers.work import Result


class Anchors:
    """Trials are scored whole at first, then on a stage's anchors alone."""

    def __init__(
        self, settings: AnchorsAllocation, spec: SearchSpec, log: JobLog, database: Database
    ) -> None:
        self._settings = settings
        self._spec = spec
        self._weights = {entry.task: entry.weight for entry in spec.tasks}
        self._log = log
        self._database = database
        with database.snapshot() as session:
            self._designs = designs.all_of(session, log.job_id)

    def blocks(self, trial: Trial) -> Sequence[Block | None]:
        design = self._design(trial)
        if design is None:
            return [None]
        return [_blocks(design)[len(self._log.blocks.get(trial.number, {}))]]

    def judge(self, trial: Trial, scored: Mapping[int, Result]) -> Verdict:
        design = self._design(trial)
        assert design is not None
        blocks = _blocks(design)
        if len(scored) == len(blocks):
            return Verdict(blocks, "finished")
        values = {task: part.values for task, part in scored[0].scores.items()}
        return Verdict(blocks[:1], "estimated", fitness(design.estimates(values), self._weights))

    def elite(self, top_k: int) -> list[int]:
        """By what the sampler was told, so that it stays the same while they are scored."""
        told = [_Told.of(trial) for trial in self._log.trials.values()]
        children = len({one.digest for one in told if one.fitness is not None})
        best = finalists(told, max(top_k, math.ceil(self._settings.elite * children)))
        return [number for number in best if self._log.trials[number].state == "estimated"]

    def _design(self, trial: Trial) -> Design | None:
        """That of the trial's stage; None for a trial that helps to find it."""
        found = self._designs.get(trial.stage)
        if found is None:
            calibrated = self._calibrate(trial)
            if calibrated is None:
                return None
            with self._database.transaction() as session:
                found = designs.record(
                    session, self._log.job_id, trial.stage, trial.generation, calibrated
                )
            self._designs[trial.stage] = found
        return found.design if trial.generation >= found.generation else None

    def _calibrate(self, trial: Trial) -> Calibrated | None:
        """From what was scored whole before the trial's generation, once that is enough."""
        earlier = [
            one
            for one in self._log.scored_whole()
            if one.number < trial.number
            and (one.stage != trial.stage or one.generation < trial.generation)
        ]
        children = {one.digest: one for one in reversed(earlier)}
        mine = sum(one.stage == trial.stage for one in children.values())
        if mine < self._settings.calibration:
            return None
        parents = self._log.parents()
        if not parents:
            raise NoChild("no parent could be scored; the reasons are in the evaluations")
        endpoints = [
            self._scores(parents[alias]) for alias in self._spec.models if alias in parents
        ]
        numbers = sorted(one.number for one in children.values())
        scores = [self._scores(self._log.recorded[Subject.trial(at), "search"]) for at in numbers]
        # Several threads gain nothing on matrices of this size, and would take cores from workers.
        with threadpool_limits(1):
            return calibrate(endpoints, scores, self._settings, self._spec.seed)

    def _scores(self, recorded: Recorded) -> dict[str, list[float]]:
        """Item scores in the order of the spec's tasks: a database has none of its own."""
        values = recorded.values()
        return {task: values[task] for task in self._weights}


@dataclass(frozen=True)
class _Told:
    """A trial as the sampler knows it: by its estimate, even after it was scored whole."""

    number: int
    digest: str
    fitness: float | None

    @classmethod
    def of(cls, trial: Trial) -> _Told:
        told = trial.fitness if trial.estimate is None else trial.estimate
        return cls(trial.number, trial.digest, told)


def _blocks(design: Design) -> list[Block]:
    """The anchors, then all other items, if there are any."""
    seen = [(task, at) for task, anchors in design.anchors.items() for at in anchors.places]
    every = [(task, at) for task, one in design.anchors.items() for at in range(one.count)]
    rest = sorted(set(every) - set(seen))
    return [Block(number, tuple(part)) for number, part in enumerate([seen, rest]) if part]
