"""`/v1/jobs/{id}/trials`, their recipes, and the best of them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from sqlalchemy.orm import Session

from merging.multistep import to_documents
from merging.recipe import Recipe
from search.objectives import front, named_values
from search.spec import SearchSpec
from service.dependencies import DatabaseDependency
from service.errors import NotFound, Problem
from service.evaluations import repository as evaluations
from service.evaluations.repository import Subject
from service.evaluations.schemas import EvaluationView
from service.events import repository as events
from service.jobs import repository as jobs
from service.tables import Trial
from service.trials import repository as trials
from service.trials.schemas import (
    BestView,
    FrontPoint,
    HistoryView,
    TrialDetail,
    TrialState,
    TrialView,
)

TrialNumber = Annotated[int, Path(ge=0, lt=2**31)]

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["trials"], responses={404: {"model": Problem}})


@router.get("/trials")
def list_trials(
    *,
    job_id: str,
    database: DatabaseDependency,
    after: Annotated[
        int, Query(ge=-1, lt=2**31, description="Only trials of a greater number.")
    ] = -1,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    stage: Annotated[str | None, Query(max_length=100, description="Only of this stage.")] = None,
    state: Annotated[list[TrialState], Query(description="Only in one of these states.")] = [],  # noqa: B006
) -> list[TrialView]:
    """The job's trials in order of their numbers."""
    with database.snapshot() as session:
        jobs.get(session, job_id)
        found = trials.listed(session, job_id, after, limit, stage=stage, states=state)
        return [TrialView.of(trial) for trial in found]


@router.get("/history", response_model=HistoryView)
def get_history(
    job_id: str,
    database: DatabaseDependency,
    since: Annotated[
        int, Query(ge=0, lt=2**63, description="Only trials that ended after this cursor.")
    ] = 0,
    limit: Annotated[int, Query(ge=1, le=100_000)] = 10_000,
) -> Response:
    """How the job's trials ended, in the order in which they did, as columns for a chart.

    The answer's cursor is the next request's `since`: nothing is told twice, nothing left out. A
    trial that was scored on more items later is told of again.
    """
    kinds = ("trial.finished", "trial.rescored")
    with database.snapshot() as session:
        jobs.get(session, job_id)
        found = events.told(session, job_id, kinds, since, limit)
    # Written as it is: to check thousands of rows once more takes longer than to read them.
    text = HistoryView.of(since, found).model_dump_json()
    return Response(text, media_type="application/json")


@router.get("/trials/{number}")
def get_trial(job_id: str, number: TrialNumber, database: DatabaseDependency) -> TrialDetail:
    """One trial with its evaluations and the score of every item."""
    with database.snapshot() as session:
        jobs.get(session, job_id)
        trial = trials.get(session, job_id, number)
        found = evaluations.all_of(session, job_id, subject=Subject.trial(number))
        return TrialDetail.whole(trial, found)


@router.get("/trials/{number}/recipe.yaml", response_class=Response)
def get_recipe(job_id: str, number: TrialNumber, database: DatabaseDependency) -> Response:
    """The trial's recipe as YAML in mergekit's vocabulary, with the steps before it as documents
    of their own."""
    with database.snapshot() as session:
        text = _yaml(session, trials.get(session, job_id, number))
    return Response(text, media_type="application/yaml")


@router.get("/front")
def get_front(job_id: str, database: DatabaseDependency) -> list[FrontPoint]:
    """The front of the trials so far, on the search split: those that meet all constraints and that
    no other dominates, first the one of the best fitness and then so that the first few span it.
    Empty where the search has one objective."""
    with database.snapshot() as session:
        objectives = SearchSpec.model_validate(jobs.get(session, job_id).spec).objectives
        whole = trials.listed(session, job_id, states=("finished",))
    known = {trial.number: trial for trial in whole}
    return [
        FrontPoint(
            trial=number,
            stage=known[number].stage,
            digest=known[number].digest,
            fitness=known[number].fitness,
            objectives=named_values(objectives, known[number].objectives or ()),
        )
        for number in front(whole)
    ]


@router.get("/best")
def get_best(job_id: str, database: DatabaseDependency) -> BestView:
    """The winner, or the best trial so far."""
    with database.snapshot() as session:
        job = jobs.get(session, job_id)
        final = job.winner is not None
        number = job.winner if final else trials.progress(session, job_id).best
        if number is None:
            raise NotFound(f"job {job_id} has no scored trial yet")
        trial = trials.get(session, job_id, number)
        found = evaluations.all_of(session, job_id, subject=Subject.trial(number))
        text = _yaml(session, trial)
    return BestView(
        trial=number,
        final=final,
        recipe_digest=trial.digest,
        recipe=text,
        evaluations=[EvaluationView.of(entry) for entry in found],
    )


def _yaml(session: Session, trial: Trial) -> str:
    recipe = Recipe.model_validate(trial.recipe)
    return to_documents(recipe, trials.steps_of(session, trial.job_id, recipe))
