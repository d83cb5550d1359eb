"""A job's life, start to end, readable top to bottom: what must be evaluated, and what follows.

A life is a generator. It yields steps: lists of evaluations, or of preparations, that may run in
any order, at the same time. It is resumed when all of a step is recorded. Everything it decides
follows from the spec and the recorded log, so a life begun anew after a crash passes over what is
recorded and goes on. Preparations are asked for again: the worker finds the file that records one.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import structlog
from sqlalchemy.orm import Session

from evaluators.task import Split
from merging.checkpoint import inspect_checkpoint
from merging.multistep import step_name
from merging.recipe import Recipe
from search.budget import Meter
from search.calibration import Coefficients, start_recipe
from search.history import known_genomes, recall, started
from search.racing import Block
from search.references import with_models
from search.replay import ReplayReport, replay
from search.sampler_choice import chosen_sampler
from search.samplers import make_sampler
from search.samplers.base import Sampler
from search.seeds import first_trials
from search.spaces import Space, make_space
from search.spec import (
    ModelShape,
    ParameterSpaceSpec,
    SearchSpec,
    Stage,
)
from service.controller.allocating import JobLog
from service.controller.allocations import make_allocation
from service.controller.ancestry import ancestors
from service.controller.criteria import Criteria, reference_models
from service.controller.errors import CannotBuild, CannotPrepare, NoChild
from service.controller.history import generations_of, logged, original_of, outcome
from service.controller.needs import (
    Build,
    Need,
    Preparation,
    Step,
    Task,
    parent_needs,
    peer_needs,
    preparations_of,
)
from service.database import Database
from service.evaluations import blocks
from service.evaluations import repository as evaluations
from service.evaluations.repository import Recorded, Subject
from service.events import repository as events
from service.holdouts import repository as holdouts
from service.jobs import repository as jobs
from service.jobs.extending import renewals
from service.models import shapes as model_shapes
from service.stages import repository as stages
from service.tables import Trial
from service.trials import repository as trials
from workers.work import Result

log = structlog.get_logger(__name__)


class Life:
    """One job on its way: `steps()` says what to evaluate, `record` keeps each answer."""

    def __init__(
        self,
        database: Database,
        job_id: str,
        spec: SearchSpec,
        shapes: Mapping[str, ModelShape],
        built_dir: Path,
    ) -> None:
        self._database = database
        self._job_id = job_id
        self._spec = spec
        self._shapes = shapes
        self._built_dir = built_dir
        self.built: dict[str, Path] = {}
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
        self._criteria = Criteria(spec, self._log)
        self._by_digest: dict[str, list[Trial]] = {}
        for trial in self._trials.values():
            self._by_digest.setdefault(trial.digest, []).append(trial)

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
        chosen = self._criteria.finalists()
        if not chosen:
            raise NoChild("every trial failed; the reasons are in the trial list")
        references = set(reference_models(self._spec))
        yield from self._missing(
            "select",
            [
                *(self._trial_need(number, "select") for number in chosen),
                *(
                    need
                    for need in parent_needs(self._spec, "select")
                    if need.subject.label in references
                ),
            ],
        )
        best = self._criteria.winner(chosen)
        with self._database.transaction() as session:
            jobs.fix_winner(session, self._job_id, best)
            if known := self._recorded.get((Subject.trial(best), "holdout")):
                holdouts.use(session, self._job_id, known)
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

    def record(self, need: Task, result: Result) -> list[Need]:
        """Commit one result: its scores, its events and the trial's end, together.

        Gives what the step needs besides, now that this is known: a trial's next block.
        Raises CannotPrepare or CannotBuild when that is what failed.
        """
        if isinstance(need, Preparation):
            self._prepared(need, result)
            return []
        if isinstance(need, Build):
            self._has_built(need, result)
            return []
        if need.block is not None and result.reason is None:
            return self._record_block(self._trials[int(need.subject.label)], need.block, result)
        with self._database.transaction() as session:
            recorded = self._write(session, need.subject, need.split, result)
            if need.subject.kind == "trial" and need.split == "search":
                trial = self._trials[int(need.subject.label)]
                self._finish(session, trial, recorded, self._criteria.fitness(recorded))
            if need.subject.kind == "trial" and need.split == "holdout":
                holdouts.use(session, self._job_id, recorded)
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
                joined = blocks.joined(scored, places, [entry.task for entry in self._spec.tasks])
                subject = Subject.trial(trial.number)
                recorded = self._write(session, subject, "search", joined)
                value = verdict.estimate
                if value is None:
                    value = self._criteria.fitness(recorded)
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
            objectives=self._criteria.objectives(recorded),
            constraints=self._criteria.constraints(recorded),
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

    def _has_built(self, build: Build, result: Result) -> None:
        if result.reason is not None:
            raise CannotBuild(f"no checkpoint of {build.alias!r}: {result.reason}")
        with self._database.transaction() as session:
            data = {"alias": build.alias, "digest": build.recipe.digest()}
            events.append(session, self._job_id, "parent.built", data)

    def _stage(self, stage: Stage) -> Iterator[Step]:
        spec, shapes = yield from self._inherit(stage)
        space = make_space(spec, stage, shapes)
        yield from self._phase(
            "prepare", [one for recipe in space.probes() for one in preparations_of(recipe)]
        )
        if isinstance(stage.space, ParameterSpaceSpec):
            recipe = start_recipe(spec, stage.space)
            if recipe is not None:
                start = Preparation(recipe, None)
                yield from self._phase("prepare", [start])
                space = make_space(spec, stage, shapes, self._numbers[start])
        sampler = self._sampler(stage, space)
        past = generations_of(self._trials.values(), stage.name)
        _, report = replay(sampler, [[logged(trial) for trial in members] for members in past])
        if report.diverged:
            self._diverged(stage, report)
        yield from self._evaluate(sampler, [self._trials[number] for number in sampler.pending])
        with self._database.snapshot() as session:
            renewed = renewals(session, self._job_id)
        meter = Meter(stage.budget, {count for name, count in renewed if name == stage.name})
        for members in past:
            meter.add(members)
        for generation in itertools.count(len(past)):
            if meter.reached:
                break
            size = min(sampler.batch, meter.room)
            numbers = range(sampler.next_number, sampler.next_number + size)
            proposals = [
                trials.Proposal(number, genome, space.decode(genome))
                for number, genome in zip(numbers, sampler.ask(size), strict=True)
            ]
            members = self._commit(stage, generation, proposals)
            yield from self._evaluate(sampler, members)
            meter.add(members)
        with self._database.transaction() as session:
            jobs.end_stage(session, self._job_id, stage.name, meter.trials, meter.reached)

    def _diverged(self, stage: Stage, report: ReplayReport) -> None:
        """Say that the sampler would draw other genomes today; the recorded ones count."""
        data = {"stage": stage.name, **asdict(report)}
        log.warning("replay_diverged", job=self._job_id, **data)
        with self._database.transaction() as session:
            events.append(session, self._job_id, "replay.diverged", data)

    def _sampler(self, stage: Stage, space: Space) -> Sampler:
        """The stage's sampler as it was before the first trial."""
        genes, first = space.genes, self._stage_start(stage)
        unseeded = stage.seeds == "none" or stage.warm_start is not None
        wanted = (
            []
            if unseeded
            else first_trials(space, stage.budget.trials, start=stage.seeds == "start")
        )
        with self._database.transaction() as session:
            seeds = stages.begin(
                session, self._job_id, stage.name, genes, seeds=wanted, first=first
            )
            known = known_genomes(genes, stages.history_of(session, self._job_id, stage.name))
        settings = chosen_sampler(stage, genes, self._spec.objective_count)
        sampler = make_sampler(
            settings,
            started(genes, settings, known),
            self._spec.seed,
            first,
            objectives=self._spec.objective_count,
            seeds=[seed.genome for seed in seeds],
        )
        recall(sampler, settings, known)
        return sampler

    def _inherit(
        self, stage: Stage
    ) -> Generator[Step, None, tuple[SearchSpec, Mapping[str, ModelShape]]]:
        """The spec and the shapes with the children of earlier stages that the stage builds on."""
        builds = ancestors(stage.space, self._trials, self._built_dir)
        yield from self._phase("prepare", [one for one in builds if not one.folder.exists()])
        names = {one.alias: step_name(one.recipe.digest()) for one in builds}
        self.built |= {names[one.alias]: one.folder for one in builds}
        found = {one.alias: inspect_checkpoint(one.folder) for one in builds}
        return with_models(self._spec, names), {**self._shapes, **model_shapes(found)}

    def _phase(self, phase: str, needed: Sequence[Task]) -> Iterator[Step]:
        if needed:
            with self._database.transaction() as session:
                jobs.enter_phase(session, self._job_id, phase)
            yield needed

    def _commit(
        self, stage: Stage, generation: int, proposals: Sequence[trials.Proposal]
    ) -> list[Trial]:
        with self._database.transaction() as session:
            fresh = trials.add_generation(session, self._job_id, stage.name, generation, proposals)
        for trial in fresh:
            self._trials[trial.number] = trial
            self._by_digest.setdefault(trial.digest, []).append(trial)
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
            sampler.tell(trial.number, tuple(trial.genome), outcome(trial))

    def _search_need(self, trial: Trial) -> Need:
        """The trial on the search split, or on the block of it that is next."""
        need = self._trial_need(trial.number, "search")
        return replace(need, block=self._allocation.next_block(trial))

    def _original(self, trial: Trial) -> Trial | None:
        return original_of(self._by_digest[trial.digest], trial)

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
            objectives=original.objectives,
            constraints=original.constraints,
        )
        with self._database.transaction() as session:
            copied = evaluations.copy(session, self._job_id, source, subject)
            trials.finish(session, trial, ending)
        self._recorded[subject, "search"] = copied
        return True

    def _stage_start(self, stage: Stage) -> int:
        """The number of the stage's first trial: stages follow one another without a gap."""
        before = self._spec.stages[: self._spec.stages.index(stage)]
        names = {earlier.name for earlier in before}
        return sum(trial.stage in names for trial in self._trials.values())

    def _missing(self, phase: str, needs: Sequence[Need]) -> Iterator[Step]:
        missing = [need for need in needs if (need.subject, need.split) not in self._recorded]
        yield from self._phase(phase, missing)

    def _trial_need(self, number: int, split: Split) -> Need:
        recipe = Recipe.model_validate(self._trials[number].recipe)
        return Need(Subject.trial(number), split, recipe)
