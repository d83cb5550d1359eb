"""A job's life, start to end, readable top to bottom: what must be evaluated, and what follows.

A life is a generator. It yields steps: lists of evaluations, or of preparations, that may run in
any order, at the same time. It is resumed when all of a step is recorded. Everything it decides
follows from the spec and the recorded log, so a life begun anew after a crash passes over what is
recorded and goes on. Preparations are asked for again: the worker finds the file that records one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace

import structlog
from sqlalchemy.orm import Session

from evaluators.task import Split
from merging.recipe import Recipe
from search.calibration import Coefficients, start_recipe
from search.finalists import finalists, winner
from search.fitness import fitness
from search.racing import Block
from search.replay import LoggedTrial, replay
from search.samplers import make_sampler
from search.samplers.base import Outcome, Sampler
from search.seeds import first_trials
from search.spaces import make_space
from search.spec import (
    ModelShape,
    ParameterSpaceSpec,
    SearchSpec,
    Stage,
)
from service.controller.allocating import JobLog
from service.controller.allocations import make_allocation
from service.controller.errors import CannotPrepare, NoChild
from service.controller.needs import (
    Need,
    Preparation,
    Step,
    parent_needs,
    peer_needs,
    preparations_of,
)
from service.database import Database
from service.evaluations import blocks
from service.evaluations import repository as evaluations
from service.evaluations.repository import Recorded, Subject
from service.events import repository as events
from service.jobs import repository as jobs
from service.tables import Trial
from service.trials import repository as trials
from workers.work import Result

log = structlog.get_logger(__name__)


class Life:
    """One job on its way: `steps()` says what to evaluate, `record` keeps each answer."""

    def __init__(
        self, database: Database, job_id: str, spec: SearchSpec, shapes: Mapping[str, ModelShape]
    ) -> None:
        self._database = database
        self._job_id = job_id
        self._spec = spec
        self._shapes = shapes
        self._weights = {entry.task: entry.weight for entry in spec.tasks}
        self._numbers: dict[Preparation, Coefficients] = {}
        with database.snapshot() as session:
            self._trials = {trial.number: trial for trial in trials.all_of(session, job_id)}
            self._recorded = {
                (entry.subject, entry.split): entry for entry in evaluations.all_of(session, job_id)
            }
            self._blocks = blocks.all_of(session, job_id)
        # These three are changed in place only: the log is the allocation's view of them.
        self._log = JobLog(job_id, self._trials, self._recorded, self._blocks)
        self._allocation = make_allocation(spec, self._log, database)

    def steps(self) -> Iterator[Step]:
        """Every step of the job that is not recorded yet, in order.

        A step is over when nothing that `record` asked for meanwhile is left either.
        """
        yield from self._missing("parents", parent_needs(self._spec, "search"))
        for stage in self._spec.stages:
            yield from self._stage(stage)
        elite = self._allocation.elite(self._spec.select.top_k)
        if elite:
            yield [self._search_need(self._trials[number]) for number in elite]
        chosen = finalists(self._log.scored_whole(), self._spec.select.top_k)
        if not chosen:
            raise NoChild("every trial failed; the reasons are in the trial list")
        yield from self._missing(
            "select", [self._trial_need(number, "select") for number in chosen]
        )
        best = self._winner(chosen)
        with self._database.transaction() as session:
            jobs.fix_winner(session, self._job_id, best)
        yield from self._missing(
            "holdout",
            [
                self._trial_need(best, "holdout"),
                *parent_needs(self._spec, "holdout"),
                *peer_needs(self._spec),
            ],
        )
        if reason := self._recorded[Subject.trial(best), "holdout"].reason:
            raise NoChild(f"the winner could not be scored on holdout: {reason}")

    def record(self, need: Need | Preparation, result: Result) -> list[Need]:
        """Commit one result: its scores, its events and the trial's end, together.

        Gives what the step needs besides, now that this is known: a trial's next block.
        Raises CannotPrepare when it is that of a preparation that failed.
        """
        if isinstance(need, Preparation):
            self._prepared(need, result)
            return []
        if need.block is not None and result.reason is None:
            return self._record_block(self._trials[int(need.subject.label)], need.block, result)
        with self._database.transaction() as session:
            recorded = self._write(session, need.subject, need.split, result)
            if need.subject.kind == "trial" and need.split == "search":
                trial = self._trials[int(need.subject.label)]
                self._finish(session, trial, recorded, self._fitness(recorded))
        self._recorded[need.subject, need.split] = recorded
        return []

    def _record_block(self, trial: Trial, block: Block, result: Result) -> list[Need]:
        scored = [*self._blocks.get(trial.number, []), result]
        verdict = self._allocation.judge(trial, scored)
        recorded = None
        with self._database.transaction() as session:
            blocks.record(session, self._job_id, trial.number, block.number, result)
            if verdict is not None:
                places = [one.places for one in verdict.blocks]
                joined = blocks.joined(scored, places, list(self._weights))
                subject = Subject.trial(trial.number)
                recorded = self._write(session, subject, "search", joined)
                value = verdict.estimate
                if value is None:
                    value = self._fitness(recorded)
                self._finish(session, trial, recorded, value, verdict.state)
        self._blocks[trial.number] = scored
        if recorded is None:
            return [self._search_need(trial)]
        self._recorded[recorded.subject, "search"] = recorded
        return []

    def _write(self, session: Session, subject: Subject, split: Split, result: Result) -> Recorded:
        known = (subject, split) in self._recorded
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
        found = recorded.scores.values()
        ending = trials.Ending(
            value,
            recorded.reason,
            n=sum(score.n for score in found),
            tokens=sum(score.tokens for score in found),
            state=state,
        )
        trials.finish(session, trial, ending)

    def _prepared(self, preparation: Preparation, result: Result) -> None:
        method, model = preparation.recipe.merge_method, preparation.model
        if result.reason is not None:
            of = f"of {model!r}" if model is not None else "of the models"
            raise CannotPrepare(f"no statistics {of} for {method!r}: {result.reason}")
        with self._database.transaction() as session:
            data = {"method": method, "model": model, "seconds": result.merge_seconds}
            events.append(session, self._job_id, "statistics.prepared", data)
        self._numbers[preparation] = result.numbers

    def _stage(self, stage: Stage) -> Iterator[Step]:
        space = make_space(self._spec, stage, self._shapes)
        yield from self._prepare(
            [needed for recipe in space.probes() for needed in preparations_of(recipe)]
        )
        if isinstance(stage.space, ParameterSpaceSpec):
            recipe = start_recipe(self._spec, stage.space)
            if recipe is not None:
                start = Preparation(recipe, None)
                yield from self._prepare([start])
                space = make_space(self._spec, stage, self._shapes, self._numbers[start])
        first = self._stage_start(stage)
        seeds = [] if stage.seeds == "none" else first_trials(space, stage.budget.trials)
        sampler = make_sampler(
            stage.sampler,
            space.genes,
            self._spec.seed,
            first,
            seeds=[seed.genome for seed in seeds],
        )
        logged = self._logged_generations(stage)
        _, report = replay(sampler, [[_logged(trial) for trial in members] for members in logged])
        if report.diverged:
            log.warning("replay_diverged", job=self._job_id, stage=stage.name, **asdict(report))
        yield from self._evaluate(sampler, [self._trials[number] for number in sampler.pending])
        end = first + stage.budget.trials
        for generation in itertools.count(len(logged)):
            size = min(sampler.batch, end - sampler.next_number)
            if size <= 0:
                break
            numbers = range(sampler.next_number, sampler.next_number + size)
            proposals = [
                trials.Proposal(number, genome, space.decode(genome))
                for number, genome in zip(numbers, sampler.ask(size), strict=True)
            ]
            labels = {} if generation else {first + i: one.label for i, one in enumerate(seeds)}
            yield from self._evaluate(sampler, self._commit(stage, generation, proposals, labels))

    def _prepare(self, needed: list[Preparation]) -> Iterator[Step]:
        if needed:
            with self._database.transaction() as session:
                jobs.enter_phase(session, self._job_id, "prepare")
            yield needed

    def _commit(
        self,
        stage: Stage,
        generation: int,
        proposals: Sequence[trials.Proposal],
        seeds: Mapping[int, str],
    ) -> list[Trial]:
        with self._database.transaction() as session:
            fresh = trials.add_generation(session, self._job_id, stage.name, generation, proposals)
            if seeds:
                named = [{"trial": number, "label": label} for number, label in seeds.items()]
                data = {"stage": stage.name, "seeds": named}
                events.append(session, self._job_id, "stage.seeded", data)
        self._trials |= {trial.number: trial for trial in fresh}
        return fresh

    def _evaluate(self, sampler: Sampler, members: Sequence[Trial]) -> Iterator[Step]:
        firsts = {trial.digest: trial for trial in reversed(members)}
        fresh = [
            trial
            for trial in members
            if firsts[trial.digest] is trial and self._original(trial) is None
        ]
        yield from self._missing("search", [self._search_need(trial) for trial in fresh])
        # What is left of a digest is a copy now, or its first trial failed.
        left = [trial for trial in members if not self._copy(trial)]
        yield from self._missing("search", [self._search_need(trial) for trial in left])
        for trial in members:
            sampler.tell(trial.number, tuple(trial.genome), _outcome(trial))

    def _search_need(self, trial: Trial) -> Need:
        """The trial on the search split, or on the block of it that is next."""
        need = self._trial_need(trial.number, "search")
        return replace(need, block=self._allocation.next_block(trial))

    def _original(self, trial: Trial) -> Trial | None:
        """An earlier trial of the same digest whose scores are this one's as well.

        One that was stopped, or estimated, has been measured by what its own stage knows.
        """
        for earlier in self._trials.values():
            if earlier.number >= trial.number:
                break
            known = earlier.state in ("stopped", "estimated") and earlier.stage == trial.stage
            if earlier.digest == trial.digest and (earlier.state == "finished" or known):
                return earlier
        return None

    def _copy(self, trial: Trial) -> bool:
        """Whether the trial has ended, as a copy of an earlier one if there is one."""
        subject = Subject.trial(trial.number)
        if (subject, "search") in self._recorded:
            return True
        original = self._original(trial)
        if original is None:
            return False
        source = self._recorded[Subject.trial(original.number), "search"]
        ending = trials.Ending(
            original.fitness,
            n=original.n,
            state=trials.scored_as(original),
            same_as=original.number,
        )
        with self._database.transaction() as session:
            copied = evaluations.copy(session, self._job_id, source, subject)
            trials.finish(session, trial, ending)
        self._recorded[subject, "search"] = copied
        return True

    def _logged_generations(self, stage: Stage) -> list[list[Trial]]:
        mine = [trial for trial in self._trials.values() if trial.stage == stage.name]
        return [list(group) for _, group in itertools.groupby(mine, lambda trial: trial.generation)]

    def _stage_start(self, stage: Stage) -> int:
        """The number of the stage's first trial: stages follow one another without a gap."""
        before = self._spec.stages[: self._spec.stages.index(stage)]
        return sum(earlier.budget.trials for earlier in before)

    def _missing(self, phase: str, needs: Sequence[Need]) -> Iterator[Step]:
        missing = [need for need in needs if (need.subject, need.split) not in self._recorded]
        if missing:
            with self._database.transaction() as session:
                jobs.enter_phase(session, self._job_id, phase)
            yield missing

    def _trial_need(self, number: int, split: Split) -> Need:
        recipe = Recipe.model_validate(self._trials[number].recipe)
        return Need(Subject.trial(number), split, recipe)

    def _winner(self, chosen: Sequence[int]) -> int:
        found = {number: self._recorded[Subject.trial(number), "select"] for number in chosen}
        scores = {number: self._fitness(recorded) for number, recorded in found.items()}
        finite = {number: score for number, score in scores.items() if score is not None}
        if not finite:
            reason = found[chosen[0]].reason
            raise NoChild(f"every finalist failed on the select split: {reason}")
        return winner(finite)

    def _fitness(self, recorded: Recorded) -> float | None:
        if recorded.reason is not None:
            return None
        return fitness(recorded.means(), self._weights)


def _logged(trial: Trial) -> LoggedTrial:
    outcome = None if trial.state == "pending" else _outcome(trial)
    return LoggedTrial(trial.number, tuple(trial.genome), outcome)


def _outcome(trial: Trial) -> Outcome:
    """What the sampler learns. An estimate stays one to it, even of a trial scored whole later."""
    if trial.estimate is not None and trial.estimate_n is not None:
        return Outcome(values=(trial.estimate,), n=trial.estimate_n)
    if trial.fitness is None:
        return Outcome(values=(), n=0, failed=True)
    return Outcome(values=(trial.fitness,), n=trial.n, censored=trial.censored)
