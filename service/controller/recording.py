"""What workers answer, committed to a job's log: each answer once, with all that ends with it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.orm import Session

from evaluators.task import Split
from merging.recipe import Recipe
from search.calibration import Coefficients
from search.item_blocks import Block
from search.spec import SearchSpec
from service.answers import repository as answers
from service.controller.allocating import Allocation, JobLog, Verdict
from service.controller.criteria import Criteria
from service.controller.errors import CannotBuild, CannotPrepare
from service.controller.history import original_of
from service.controller.needs import Build, Need, Preparation, Task
from service.database import Database
from service.evaluations import blocks
from service.evaluations import repository as evaluations
from service.evaluations.repository import Recorded, Subject
from service.events import repository as events
from service.holdouts import repository as holdouts
from service.tables import Trial
from service.trials import repository as trials
from workers.work import Result


class Recorder:
    """Writes a job's answers to the database and to its log in memory.

    `numbers` are the joint statistics that were prepared. Answers are kept of the parents and of
    the `kept_answers` best trials.
    """

    def __init__(
        self,
        database: Database,
        spec: SearchSpec,
        log: JobLog,
        allocation: Allocation,
        criteria: Criteria,
        *,
        kept_answers: int,
    ) -> None:
        self.numbers: dict[Preparation, Coefficients] = {}
        self._database = database
        self._job_id = log.job_id
        self._spec = spec
        self._log = log
        self._allocation = allocation
        self._criteria = criteria
        self._kept_answers = kept_answers
        self._by_digest: dict[str, list[Trial]] = {}
        for trial in log.trials.values():
            self._by_digest.setdefault(trial.digest, []).append(trial)
        self._told = Counter(one.stage for one in log.trials.values() if one.told is not None)

    def told(self, stage: str) -> int:
        """How many outcomes the sampler of a steady stage has been told."""
        return self._told[stage]

    def commit(
        self, stage: str, generation: int, proposals: Sequence[trials.Proposal]
    ) -> list[Trial]:
        """Commit a generation before any of it is handed out."""
        with self._database.transaction() as session:
            fresh = trials.add_generation(session, self._job_id, stage, generation, proposals)
        for trial in fresh:
            self._log.trials[trial.number] = trial
            self._by_digest.setdefault(trial.digest, []).append(trial)
        return fresh

    def original(self, trial: Trial) -> Subject | None:
        """Whose scores are the trial's as well: an earlier trial's, or a parent's that it is.

        A broken model spoils the others' merges even with a weight of 0, so all must be sound.
        """
        earlier = original_of(self._by_digest[trial.digest], trial)
        if earlier is not None:
            return Subject.trial(earlier.number)
        alias = self._log.models.get(trial.digest)
        if alias is None:
            # Nearly always; to find the parents takes a look at every evaluation there is.
            return None
        sound = self._log.parents()
        spoilt = len(sound) < len(self._spec.models)
        return None if spoilt or alias not in sound else Subject("parent", alias)

    def copy(self, trial: Trial) -> bool:
        """Whether the trial has ended, as a copy if there is an original."""
        subject = Subject.trial(trial.number)
        if (subject, "search") in self._log.recorded:
            return True
        original = self.original(trial)
        if original is None:
            return False
        source = self._log.recorded[original, "search"]
        if original.kind == "trial":
            ending = trials.Ending.as_of(self._log.trials[int(original.label)])
        else:
            ending = replace(self._ending(source, self._criteria.fitness(source)), tokens=0)
        with self._database.transaction() as session:
            copied = evaluations.copy(session, self._job_id, source, subject)
            self._end(session, trial, ending)
        self._log.recorded[subject, "search"] = copied
        return True

    def needs(self, trial: Trial) -> list[Need]:
        """The trial on the search split, or on those blocks of it that are to be scored now."""
        whole = Need(Subject.trial(trial.number), "search", Recipe.model_validate(trial.recipe))
        return [replace(whole, block=block) for block in self._allocation.blocks(trial)]

    def wants(self, task: Task) -> bool:
        """Whether the answer is still of use: no block of a trial is that has failed meanwhile."""
        if not isinstance(task, Need) or task.block is None:
            return True
        return self._log.trials[int(task.subject.label)].state != "failed"

    def record(self, task: Task, result: Result) -> list[Need]:
        """Commit one result: its scores, its events and the trial's end, together.

        Gives what the step needs besides, now that this is known: a trial's next block.
        Raises CannotPrepare or CannotBuild when that is what failed.
        """
        if not self.wants(task):
            return []
        result = _finite(result)
        if isinstance(task, Preparation):
            self._prepared(task, result)
            return []
        if isinstance(task, Build):
            self._has_built(task, result)
            return []
        if task.block is not None and result.reason is None:
            return self._record_block(task, task.block, result)
        with self._database.transaction() as session:
            recorded = self._write(session, task.subject, task.split, result)
            answers.record(session, self._job_id, task.subject, result)
            if task.subject.kind == "trial" and task.split == "search":
                trial = self._log.trials[int(task.subject.label)]
                self._finish(session, trial, recorded, self._criteria.fitness(recorded))
            if task.subject.kind == "trial" and task.split == "holdout":
                holdouts.use(session, self._job_id, recorded)
        self._log.recorded[task.subject, task.split] = recorded
        return []

    def _record_block(self, need: Need, block: Block, result: Result) -> list[Need]:
        trial = self._log.trials[int(need.subject.label)]
        scored = {**self._log.blocks.get(trial.number, {}), block.number: result}
        judged = self._allocation.judge(trial, scored)
        recorded = None
        with self._database.transaction() as session:
            blocks.record(session, self._job_id, trial.number, block.number, result)
            answers.record(session, self._job_id, need.subject, result, block.places)
            if isinstance(judged, Verdict):
                parts = [scored[one.number] for one in judged.blocks]
                places = [one.places for one in judged.blocks]
                joined = blocks.joined(parts, places, [entry.task for entry in self._spec.tasks])
                recorded = self._write(session, need.subject, "search", joined)
                value = judged.estimate
                if value is None:
                    value = self._criteria.fitness(recorded)
                self._finish(session, trial, recorded, value, judged.state)
        # What was written is in the database; here it would fill the memory.
        scored[block.number] = replace(result, answers={}, questions={})
        self._log.blocks[trial.number] = scored
        if recorded is not None:
            self._log.recorded[need.subject, "search"] = recorded
        if isinstance(judged, Verdict):
            return []
        return [replace(need, block=following) for following in judged]

    def _write(self, session: Session, subject: Subject, split: Split, result: Result) -> Recorded:
        known = (subject, split) in self._log.recorded
        write = evaluations.record_again if known else evaluations.record
        return write(session, self._job_id, subject, split, result)

    def _finish(
        self,
        session: Session,
        trial: Trial,
        recorded: Recorded,
        value: float | None,
        state: trials.Scored = "finished",
    ) -> None:
        self._end(session, trial, replace(self._ending(recorded, value), state=state))

    def _ending(self, recorded: Recorded, value: float | None) -> trials.Ending:
        found = recorded.scores.values()
        return trials.Ending(
            value,
            recorded.reason,
            n=sum(score.n for score in found),
            tokens=sum(score.tokens for score in found),
            objectives=self._criteria.objectives(recorded),
            constraints=self._criteria.constraints(recorded),
        )

    def _end(self, session: Session, trial: Trial, ending: trials.Ending) -> None:
        """End a trial; one of a steady stage in the order in which its sampler is told."""
        if trial.asked_after is not None and trial.told is None:
            trial.told = self._told[trial.stage]
            self._told[trial.stage] += 1
        trials.finish(session, trial, ending)
        if ending.state == "stopped" or ending.fitness is None:
            answers.forget(session, self._job_id, [trial.number])
        else:
            answers.keep_best(session, self._job_id, self._kept_answers)

    def _prepared(self, preparation: Preparation, result: Result) -> None:
        method, model = preparation.recipe.merge_method, preparation.model
        if result.reason is not None:
            of = f"of {model!r}" if model is not None else "of the models"
            raise CannotPrepare(f"no statistics {of} for {method!r}: {result.reason}")
        with self._database.transaction() as session:
            data = {"method": method, "model": model, "seconds": result.merge_seconds}
            events.append(session, self._job_id, "statistics.prepared", data)
        self.numbers[preparation] = result.numbers

    def _has_built(self, build: Build, result: Result) -> None:
        if result.reason is not None:
            raise CannotBuild(f"no checkpoint of {build.alias!r}: {result.reason}")
        with self._database.transaction() as session:
            data = {"alias": build.alias, "digest": build.recipe.digest()}
            events.append(session, self._job_id, "parent.built", data)


def _finite(result: Result) -> Result:
    """The result; one that failed if a score is NaN or infinite, which no fitness follows from."""
    for task, scores in result.scores.items():
        for place, value in enumerate(scores.values):
            if not math.isfinite(value):
                reason = f"the score of item {place} of {task!r} is {value}"
                return replace(result, scores={}, reason=reason)
    return result
