"""What panels of the dashboard show beyond the API's own answers, made ready to draw.

These routes belong to the dashboard's pages and change with them; no promise is made of them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query

from merging.checkpoint import CheckpointInfo
from merging.multistep import PREFIX
from merging.recipe import Recipe
from search.fitness import fitness
from search.spec import SearchSpec
from service.answers import repository as answers
from service.dashboard import repository
from service.dashboard.glance import Glance, course, seconds_left
from service.dashboard.picture import Picture, picture
from service.dashboard.schemas import (
    EventView,
    GeneView,
    ItemsView,
    QuestionView,
    SeedView,
    StintView,
)
from service.dependencies import DatabaseDependency, SettingsDependency
from service.errors import NotFound
from service.evaluations import repository as evaluations
from service.evaluations.repository import Subject, unpack
from service.events import repository as events
from service.jobs import repository as jobs
from service.models import resolve
from service.settings import Settings
from service.stages import repository as stages
from service.tables import Job
from service.trials import repository as trials

router = APIRouter(prefix="/v1/jobs/{job_id}/panels")

_STINTS = 4000

SearchSubject = Annotated[str, Query(pattern=r"^(trial/\d{1,7}|parent/[^\x00]{1,190})$")]


@router.get("/glance")
def get_glance(job_id: str, database: DatabaseDependency) -> Glance:
    """What the job list draws of a job."""
    with database.snapshot() as session:
        job = jobs.get(session, job_id)
        ended = repository.ended_trials(session, job_id)
        parents = evaluations.all_of(session, job_id, split="search", kind="parent")
    weights = {task["task"]: task["weight"] for task in job.spec["tasks"]}
    scored = {one.subject.label: fitness(one.means(), weights) for one in parents if one.scores}
    budgets = [stage["budget"]["trials"] for stage in job.spec["stages"]]
    total = None if None in budgets else sum(budgets)
    searching = job.state == "running" and job.phase == "search"
    return Glance(
        parent=max(scored, key=lambda label: scored[label], default=None),
        parent_fitness=max(scored.values(), default=None),
        course=course(ended),
        seconds_left=seconds_left(ended, total, datetime.now(UTC)) if searching else None,
    )


@router.get("/genes")
def get_genes(job_id: str, database: DatabaseDependency) -> dict[str, list[GeneView]]:
    """The genes of every stage that has begun."""
    with database.snapshot() as session:
        jobs.get(session, job_id)
        found = stages.genes_of(session, job_id)
    return {
        stage: [GeneView(name=gene.name, low=gene.low, high=gene.high) for gene in genes]
        for stage, genes in found.items()
    }


@router.get("/seeds")
def get_seeds(job_id: str, database: DatabaseDependency) -> list[SeedView]:
    """The first trials that stand for what a person would try by hand."""
    with database.snapshot() as session:
        jobs.get(session, job_id)
        told = events.data_of(session, job_id, "stage.seeded")
    return [SeedView(**seed) for stage in told for seed in stage["seeds"]]


@router.get("/log")
def get_log(
    job_id: str,
    database: DatabaseDependency,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
    trials: Annotated[bool, Query(description="Whether ends of trials are told too.")] = False,
) -> list[EventView]:
    """What happened to the job, latest first."""
    with database.snapshot() as session:
        jobs.get(session, job_id)
        found = repository.latest_events(session, job_id, limit, with_trials=trials)
    return [EventView(kind=one.kind, at=one.created_at, data=one.data) for one in found]


@router.get("/timeline")
def get_timeline(job_id: str, database: DatabaseDependency) -> list[StintView]:
    """What the workers did, oldest first: the latest few thousand pieces of work."""
    with database.snapshot() as session:
        jobs.get(session, job_id)
        found = repository.stints(session, job_id, _STINTS)
    return [StintView.model_validate(stint._asdict()) for stint in found]


@router.get("/items")
def get_items(job_id: str, subject: SearchSubject, database: DatabaseDependency) -> ItemsView:
    """What a trial or a parent scored on each item of the search split."""
    with database.snapshot() as session:
        jobs.get(session, job_id)
        found = evaluations.all_of(session, job_id, split="search", subject=Subject.parse(subject))
    if not found or not found[0].scores:
        raise NotFound(f"job {job_id} has no item scores of {subject}")
    return ItemsView(
        subject=subject,
        scores={task: unpack(score.items) for task, score in found[0].scores.items()},
    )


@router.get("/questions")
def get_questions(job_id: str, database: DatabaseDependency) -> dict[str, list[QuestionView]]:
    """What the job's tasks ask on the search split, in the order of their items, as far as that is
    kept."""
    with database.snapshot() as session:
        jobs.get(session, job_id)
        found = answers.questions_of(session, job_id)
    return {
        task: [QuestionView(text=one.text, reference=one.reference) for one in questions]
        for task, questions in found.items()
    }


@router.get("/answers")
def get_answers(
    job_id: str, subject: SearchSubject, database: DatabaseDependency
) -> dict[str, dict[int, str]]:
    """What a trial or a parent wrote on the search split, by task and the item's place; empty where
    it is not kept. A copy of an earlier trial wrote what that did."""
    wanted = Subject.parse(subject)
    with database.snapshot() as session:
        jobs.get(session, job_id)
        if wanted.kind == "trial":
            trial = trials.get(session, job_id, int(wanted.label))
            wanted = Subject.trial(trial.number if trial.same_as is None else trial.same_as)
        return answers.of_subject(session, job_id, wanted)


@router.get("/trials/{number}/picture")
def get_picture(
    job_id: str, number: int, database: DatabaseDependency, settings: SettingsDependency
) -> Picture:
    """A trial's recipe, ready to draw."""
    with database.snapshot() as session:
        job = jobs.get(session, job_id)
        recipe = Recipe.model_validate(trials.get(session, job_id, number).recipe)
        numbers = repository.numbers_by_digest(session, job_id)
    aliases: dict[str, str] = {model["ref"]: alias for alias, model in job.spec["models"].items()}

    def name(model: str) -> str:
        if model.startswith(PREFIX):
            return f"trial {numbers.get(model.removeprefix(PREFIX), '?')}"
        return str(aliases.get(model, model))

    model = _model(job, settings)
    if model is None:
        return picture(recipe, None, name)
    return picture(recipe, model.num_layers, name, head=not model.tied_embeddings)


def _model(job: Job, settings: Settings) -> CheckpointInfo | None:
    """One of the job's models, which are alike in shape; None if they are gone."""
    spec = SearchSpec.model_validate(job.spec)
    for alias, model in spec.models.items():
        found = resolve(
            model.ref, settings.models_dir, f"models.{alias}.ref", settings.downloads_dir
        )
        if isinstance(found, CheckpointInfo):
            return found
    return None
