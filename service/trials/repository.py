"""The trial log: a generation is committed before it is dispatched, a result exactly once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast, get_args

from sqlalchemy import func, select
from sqlalchemy.orm import Session, defer

from merging import multistep
from merging.recipe import Recipe
from search.objectives import shortfall
from service.errors import NotFound
from service.events import repository as events
from service.tables import Trial, now


@dataclass(frozen=True)
class Proposal:
    """A trial as the search proposes it; in steady state after so many outcomes."""

    number: int
    genome: tuple[float, ...]
    recipe: Recipe
    asked_after: int | None = None


@dataclass(frozen=True)
class Progress:
    """How far a job's search is.

    `finished` counts stopped and estimated trials too. `best` is the trial of highest fitness so
    far, of those that were scored whole. `tokens` were generated for all trials on the search
    split. `by_stage` counts trials, ended or not.
    """

    finished: int
    stopped: int
    estimated: int
    failed: int
    tokens: int
    best: int | None
    best_fitness: float | None
    first_created: datetime | None
    last_finished: datetime | None
    by_stage: Mapping[str, int]


def add_generation(
    session: Session, job_id: str, stage: str, generation: int, proposals: Sequence[Proposal]
) -> list[Trial]:
    """Commit one generation's proposals as pending trials."""
    created = now()
    trials = [
        Trial(
            job_id=job_id,
            number=proposal.number,
            stage=stage,
            generation=generation,
            genome=list(proposal.genome),
            recipe=proposal.recipe.model_dump(mode="json", exclude_none=True),
            digest=proposal.recipe.digest(),
            state="pending",
            asked_after=proposal.asked_after,
            created_at=created,
        )
        for proposal in proposals
    ]
    session.add_all(trials)
    return trials


Scored = Literal["finished", "stopped", "estimated"]


@dataclass(frozen=True)
class Ending:
    """How a trial ended: with its fitness, or failed for a reason.

    `n` items were scored for it and `tokens` generated. If `state` is not `finished`, those were
    not all, and `fitness` is an estimate. `same_as` is the trial whose scores were copied.
    """

    fitness: float | None
    reason: str | None = None
    n: int = 0
    tokens: int = 0
    state: Scored = "finished"
    same_as: int | None = None
    objectives: Sequence[float] | None = None
    constraints: Sequence[float] | None = None

    @classmethod
    def as_of(cls, original: Trial) -> Ending:
        """The ending of a trial that is a copy of one that has a fitness; it costs nothing."""
        return cls(
            original.fitness,
            n=original.n,
            state=scored_as(original),
            same_as=original.number,
            objectives=original.objectives,
            constraints=original.constraints,
        )


def scored_as(trial: Trial) -> Scored:
    """The state of a trial that has a fitness."""
    for state in get_args(Scored):
        if trial.state == state:
            return cast(Scored, state)
    raise ValueError(f"trial {trial.number} is {trial.state}")


def finish(session: Session, trial: Trial, ending: Ending) -> None:
    """End a pending trial, or score one again of which only an estimate is known."""
    again = trial.estimate is not None
    trial.state = "failed" if ending.fitness is None else ending.state
    if ending.state == "estimated":
        trial.estimate, trial.estimate_n = ending.fitness, ending.n
    trial.fitness = ending.fitness
    # What was scored before counts, where the rest of it failed.
    if not again or ending.fitness is not None:
        trial.n, trial.tokens = ending.n, ending.tokens
    trial.same_as = ending.same_as
    trial.objectives = None if ending.objectives is None else list(ending.objectives)
    trial.constraints = None if ending.constraints is None else list(ending.constraints)
    trial.shortfall = shortfall(ending.constraints or ())
    trial.reason = ending.reason
    trial.finished_at = now()
    session.merge(trial)
    events.append(
        session,
        trial.job_id,
        "trial.rescored" if again else "trial.finished",
        {
            "trial": trial.number,
            "stage": trial.stage,
            "generation": trial.generation,
            "state": trial.state,
            "fitness": trial.fitness,
            "censored": trial.censored,
            "estimate": trial.estimate,
            "n": trial.n,
            "tokens": trial.tokens,
            "same_as": trial.same_as,
            "shortfall": trial.shortfall,
            "reason": trial.reason,
        },
    )


def all_of(session: Session, job_id: str) -> list[Trial]:
    """A job's trials in order."""
    query = select(Trial).where(Trial.job_id == job_id).order_by(Trial.number)
    return list(session.scalars(query))


def listed(
    session: Session,
    job_id: str,
    after: int = -1,
    limit: int | None = None,
    *,
    stage: str | None = None,
    states: Sequence[str] = (),
) -> list[Trial]:
    """A job's trials with a greater number than `after`, in order, without their recipes; of a
    stage, in some states."""
    query = (
        select(Trial)
        .where(Trial.job_id == job_id, Trial.number > after)
        .order_by(Trial.number)
        .limit(limit)
        .options(defer(Trial.recipe, raiseload=True))
    )
    if stage is not None:
        query = query.where(Trial.stage == stage)
    if states:
        query = query.where(Trial.state.in_(states))
    return list(session.scalars(query))


def find(session: Session, job_id: str, number: int) -> Trial | None:
    """One trial, if there is such."""
    return session.get(Trial, (job_id, number))


def get(session: Session, job_id: str, number: int) -> Trial:
    """One trial. Raises NotFound."""
    trial = find(session, job_id, number)
    if trial is None:
        raise NotFound(f"job {job_id} has no trial {number}")
    return trial


def steps_of(session: Session, job_id: str, recipe: Recipe) -> dict[str, Recipe]:
    """The recipes of the job's children that a recipe names, and of those that they name."""

    def find(digest: str) -> Recipe:
        query = select(Trial.recipe).where(Trial.job_id == job_id, Trial.digest == digest).limit(1)
        return Recipe.model_validate(session.scalars(query).one())

    return multistep.steps_of(recipe, find)


def fitness_of(session: Session, job_id: str) -> dict[int, float | None]:
    """The fitness of every trial on the search split, by number."""
    query = select(Trial.number, Trial.fitness).where(Trial.job_id == job_id)
    return dict(session.execute(query).all())


def progress(session: Session, job_id: str) -> Progress:
    """Counts, the best so far and the time span, from indexes alone: no trial is read."""
    states: Counter[str] = Counter()
    stages: Counter[str] = Counter()
    ends, tokens = [], 0
    groups = (
        select(
            Trial.stage,
            Trial.state,
            func.count(),
            func.max(Trial.finished_at),
            func.sum(Trial.tokens),
        )
        .where(Trial.job_id == job_id)
        .group_by(Trial.stage, Trial.state)
    )
    for stage, state, count, last, generated in session.execute(groups):
        states[state] += count
        stages[stage] += count
        tokens += generated
        ends += [last] if last else []
    # Trials are numbered in the order in which they are proposed.
    first = select(Trial.created_at).where(Trial.job_id == job_id).order_by(Trial.number).limit(1)
    best = _best(session, job_id)
    return Progress(
        finished=states["finished"] + states["stopped"] + states["estimated"],
        stopped=states["stopped"],
        estimated=states["estimated"],
        failed=states["failed"],
        tokens=tokens,
        best=best[0] if best else None,
        best_fitness=best[1] if best else None,
        first_created=session.scalar(first),
        last_finished=max(ends, default=None),
        by_stage=stages,
    )


def _best(session: Session, job_id: str) -> tuple[int, float] | None:
    """The number and the fitness of the best trial that was scored whole: the first of the highest
    fitness among those that miss constraints by the least. Each step is a look into an index."""
    scored = (Trial.job_id == job_id, Trial.state == "finished")
    least = session.scalar(select(func.min(Trial.shortfall)).where(*scored))
    if least is None:
        return None
    nearest = (*scored, Trial.shortfall == least)
    highest = session.scalar(select(func.max(Trial.fitness)).where(*nearest))
    number = session.scalar(
        select(func.min(Trial.number)).where(*nearest, Trial.fitness == highest)
    )
    return None if number is None or highest is None else (number, highest)
