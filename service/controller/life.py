"""A job's life, start to end, readable top to bottom: what must be evaluated, and what follows.

A life is a generator. It yields steps: lists of evaluations, or of preparations, that may run in
any order, at the same time. It is resumed when all of a step is recorded. Everything it decides
follows from the spec and the recorded log, so a life begun anew after a crash passes over what is
recorded and goes on. Preparations are asked for again: the worker finds the file that records one.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import structlog

from evaluators.task import Split
from merging.checkpoint import inspect_checkpoint
from merging.multistep import step_name
from merging.recipe import Recipe
from search.budget import Meter
from search.calibration import start_recipe
from search.history import known_genomes, recall, started
from search.references import with_models
from search.replay import ReplayReport, replay, replay_steady
from search.sampler_choice import chosen_sampler
from search.samplers import make_sampler
from search.samplers.base import Sampler
from search.seeds import first_trials, models_in
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
from service.controller.errors import NoChild
from service.controller.history import generations_of, logged, outcome
from service.controller.needs import (
    Need,
    Preparation,
    Step,
    Task,
    parent_needs,
    peer_needs,
    preparations_of,
)
from service.controller.recording import Recorder
from service.controller.steady import Steady
from service.database import Database
from service.evaluations import blocks
from service.evaluations import repository as evaluations
from service.evaluations.repository import Subject
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
        *,
        kept_answers: int = 0,
    ) -> None:
        self._database = database
        self._job_id = job_id
        self._spec = spec
        self._shapes = shapes
        self._built_dir = built_dir
        self.built: dict[str, Path] = {}
        with database.snapshot() as session:
            self._trials = {trial.number: trial for trial in trials.all_of(session, job_id)}
            self._recorded = {
                (entry.subject, entry.split): entry for entry in evaluations.all_of(session, job_id)
            }
            scored = blocks.all_of(session, job_id)
        # These are changed in place only: others hold the log too.
        found = JobLog(job_id, self._trials, self._recorded, scored)
        self._models = found.models
        self._allocation = make_allocation(spec, found, database)
        self._criteria = Criteria(spec, found)
        # Finalists are looked at most.
        kept = max(kept_answers, spec.select.top_k) if kept_answers else 0
        self._recorder = Recorder(
            database, spec, found, self._allocation, self._criteria, kept_answers=kept
        )
        self._open: Steady | None = None

    def steps(self) -> Iterator[Step]:
        """Every step of the job that is not recorded yet, in order.

        A step is over when nothing that `record` asked for meanwhile is left either.
        """
        yield from self._missing("parents", parent_needs(self._spec, "search"))
        for stage in self._spec.stages:
            yield from self._stage(stage)
        elite = self._allocation.elite(self._spec.select.top_k)
        if elite:
            yield self._search_needs(self._trials[number] for number in elite)
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

    def wants(self, task: Task) -> bool:
        """Whether a task of the step is still to be done."""
        return self._recorder.wants(task)

    def more(self) -> list[Need]:
        """What may be done besides, while the step is on its way: a steady stage's next trial."""
        return [] if self._open is None else self._open.more()

    def record(self, task: Task, result: Result) -> list[Need]:
        """Commit one result; gives what the step needs besides (see `Recorder.record`)."""
        following = self._recorder.record(task, result)
        if self._open is not None and isinstance(task, Need):
            self._open.learn(self._trials[int(task.subject.label)])
        return following

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
                space = make_space(spec, stage, shapes, self._recorder.numbers[start])
        sampler = self._sampler(stage, space)
        self._models |= models_in(space)
        with self._database.snapshot() as session:
            renewed = renewals(session, self._job_id)
        meter = Meter(stage.budget, {count for name, count in renewed if name == stage.name})
        run = self._steady if stage.mode == "steady" else self._generations
        yield from run(stage, space, sampler, meter)
        with self._database.transaction() as session:
            jobs.end_stage(session, self._job_id, stage.name, meter.trials, meter.reached)

    def _generations(
        self, stage: Stage, space: Space, sampler: Sampler, meter: Meter
    ) -> Iterator[Step]:
        past = generations_of(self._trials.values(), stage.name)
        _, report = replay(sampler, [[logged(trial) for trial in members] for members in past])
        self._tell_diverged(stage, report)
        yield from self._evaluate(sampler, [self._trials[number] for number in sampler.pending])
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
            members = self._recorder.commit(stage.name, generation, proposals)
            yield from self._evaluate(sampler, members)
            meter.add(members)

    def _steady(self, stage: Stage, space: Space, sampler: Sampler, meter: Meter) -> Iterator[Step]:
        past = [trial for trial in self._trials.values() if trial.stage == stage.name]
        _, report = replay_steady(sampler, [logged(trial) for trial in past])
        self._tell_diverged(stage, report)
        self._open = Steady(
            stage.name, space, sampler, meter=meter, recorder=self._recorder, past=past
        )
        needs = self._open.resume() or self._open.more()
        while needs:
            yield from self._phase("search", needs)
            needs = self._open.more()
        self._open = None

    def _tell_diverged(self, stage: Stage, report: ReplayReport) -> None:
        """Say it if the sampler would draw other genomes today; the recorded ones count."""
        if not report.diverged:
            return
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
            steady=stage.mode == "steady",
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

    def _evaluate(self, sampler: Sampler, members: Sequence[Trial]) -> Iterator[Step]:
        # Those whose scores are known end before any other is scored: racing looks at them.
        fresh = [trial for trial in members if not self._recorder.copy(trial)]
        firsts = {trial.digest: trial for trial in reversed(fresh)}
        apart = [trial for trial in fresh if firsts[trial.digest] is trial]
        yield from self._missing("search", self._search_needs(apart))
        # What is left of a digest is a copy now, or its first trial failed.
        left = [trial for trial in fresh if not self._recorder.copy(trial)]
        yield from self._missing("search", self._search_needs(left))
        for trial in members:
            sampler.tell(trial.number, tuple(trial.genome), outcome(trial))

    def _search_needs(self, members: Iterable[Trial]) -> list[Need]:
        """What each trial that has not ended has to be scored on now."""
        return [need for trial in members for need in self._recorder.needs(trial)]

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
