"""A job's life, start to end, readable top to bottom: what must be evaluated, and what follows.

A life is a generator. It yields steps: lists of evaluations, or of preparations, that may run in
any order, at the same time. It is resumed when all of a step is recorded. Everything it decides
follows from the spec and the recorded log, so a life begun anew after a crash passes over what is
recorded and goes on. Preparations are asked for again: the worker finds the file that records one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import structlog

from evaluators.task import Split
from merging.calibration.needs import preparations
from merging.recipe import Recipe
from search.baselines import average_recipes, grid_recipes, parent_recipe
from search.calibration import Coefficients, start_recipe
from search.finalists import finalists, winner
from search.fitness import fitness
from search.replay import LoggedTrial, replay
from search.samplers import make_sampler
from search.samplers.base import Outcome, Sampler
from search.spaces import make_space
from search.spec import ModelShape, ParameterSpaceSpec, SearchSpec, Stage
from service.database import Database
from service.evaluations import repository as evaluations
from service.evaluations.repository import Recorded, Subject
from service.events import repository as events
from service.jobs import repository as jobs
from service.tables import Trial
from service.trials import repository as trials
from workers.work import Result

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Need:
    """An evaluation that the job needs before it can go on."""

    subject: Subject
    split: Split
    recipe: Recipe


@dataclass(frozen=True, eq=False)
class Preparation:
    """Statistics that a stage needs before its trials: of one model, or, None, of all together."""

    recipe: Recipe
    model: str | None


Step = list[Need] | list[Preparation]


class Life:
    """One job on its way: `steps()` says what to evaluate, `record` keeps each answer."""

    def __init__(
        self, database: Database, job_id: str, spec: SearchSpec, shapes: Mapping[str, ModelShape]
    ) -> None:
        self._database = database
        self._job_id = job_id
        self._spec = spec
        self._shapes = shapes
        self._numbers: dict[Preparation, Coefficients] = {}
        with database.snapshot() as session:
            self._trials = {trial.number: trial for trial in trials.all_of(session, job_id)}
            self._recorded = {
                (entry.subject, entry.split): entry for entry in evaluations.all_of(session, job_id)
            }

    def steps(self) -> Iterator[Step]:
        """Every step of the job that is not recorded yet, in order."""
        yield from self._missing("parents", self._parents("search"))
        for stage in self._spec.stages:
            yield from self._stage(stage)
        chosen = finalists(list(self._scored_trials()), self._spec.select.top_k)
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
            [self._trial_need(best, "holdout"), *self._parents("holdout"), *self._peers()],
        )
        if reason := self._recorded[Subject.trial(best), "holdout"].reason:
            raise NoChild(f"the winner could not be scored on holdout: {reason}")

    def record(self, need: Need | Preparation, result: Result) -> None:
        """Commit one result: its scores, its events and the trial's end, together.

        Raises CannotPrepare when it is that of a preparation that failed.
        """
        if isinstance(need, Preparation):
            self._prepared(need, result)
            return
        with self._database.transaction() as session:
            recorded = evaluations.record(session, self._job_id, need.subject, need.split, result)
            if need.subject.kind == "trial" and need.split == "search":
                trial = self._trials[int(need.subject.label)]
                trials.finish(session, trial, self._fitness(recorded), recorded.reason)
        self._recorded[need.subject, need.split] = recorded

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
        yield from self._prepare(preparations_of(space.probe()))
        if isinstance(stage.space, ParameterSpaceSpec):
            recipe = start_recipe(self._spec, stage.space)
            if recipe is not None:
                start = Preparation(recipe, None)
                yield from self._prepare([start])
                space = make_space(self._spec, stage, self._shapes, self._numbers[start])
        first = self._stage_start(stage)
        sampler = make_sampler(stage.sampler, space.genes, self._spec.seed, first)
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
            yield from self._evaluate(sampler, self._commit(stage, generation, proposals))

    def _prepare(self, needed: list[Preparation]) -> Iterator[Step]:
        if needed:
            with self._database.transaction() as session:
                jobs.enter_phase(session, self._job_id, "prepare")
            yield needed

    def _commit(
        self, stage: Stage, generation: int, proposals: Sequence[trials.Proposal]
    ) -> list[Trial]:
        with self._database.transaction() as session:
            fresh = trials.add_generation(session, self._job_id, stage.name, generation, proposals)
        self._trials |= {trial.number: trial for trial in fresh}
        return fresh

    def _evaluate(self, sampler: Sampler, members: Sequence[Trial]) -> Iterator[Step]:
        needs = [self._trial_need(trial.number, "search") for trial in members]
        yield from self._missing("search", needs)
        for trial in members:
            sampler.tell(trial.number, tuple(trial.genome), _outcome(trial))

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

    def _parents(self, split: Split) -> list[Need]:
        return [
            Need(Subject("parent", alias), split, parent_recipe(model.ref))
            for alias, model in self._spec.models.items()
        ]

    def _peers(self) -> list[Need]:
        """What a person would have tried by hand: averages, and a grid of uniform weights."""
        refs = {alias: model.ref for alias, model in self._spec.models.items()}
        wanted = self._spec.baselines
        needs = []
        if wanted.averages:
            for label, recipe in average_recipes(refs).items():
                needs.append(Need(Subject("average", label), "holdout", recipe))
        space = self._spec.stages[-1].space
        base = space.base if isinstance(space, ParameterSpaceSpec) else None
        if wanted.grid_step is not None and base is not None:
            parents = {alias: refs[alias] for alias in space.parents}
            grid = grid_recipes(refs[base], parents, wanted.grid_step)
            needs += [Need(Subject("grid", label), "holdout", grid[label]) for label in grid]
        return needs

    def _scored_trials(self) -> Iterator[Trial]:
        return (trial for trial in self._trials.values() if trial.fitness is not None)

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
        return fitness(recorded.means(), {entry.task: entry.weight for entry in self._spec.tasks})


def preparations_of(recipe: Recipe) -> list[Preparation]:
    """What must be prepared before the recipe can be merged."""
    return [Preparation(recipe, model) for model in preparations(recipe)]


class CannotPrepare(Exception):
    """Statistics that a stage's method needs could not be computed."""


class NoChild(Exception):
    """The search ended without a single child that could be scored."""


def _logged(trial: Trial) -> LoggedTrial:
    outcome = None if trial.state == "pending" else _outcome(trial)
    return LoggedTrial(trial.number, tuple(trial.genome), outcome)


def _outcome(trial: Trial) -> Outcome:
    if trial.fitness is None:
        return Outcome(values=(), n=0, failed=True)
    return Outcome(values=(trial.fitness,), n=1)
