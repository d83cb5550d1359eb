"""`/v1/jobs`: submit, list, look at, cancel, extend."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from search.errors import FieldError
from search.spec import SearchSpec
from service.database import Database
from service.dependencies import DatabaseDependency, SettingsDependency
from service.errors import Invalid, Problem
from service.events import repository as events
from service.jobs import repository as jobs
from service.jobs.admission import admit
from service.jobs.extending import MoreBudget, extend, renewals
from service.jobs.schemas import JobDetail, JobView, Priority, PriorityChange, StageView
from service.settings import Settings
from service.stages import repository as stages
from service.stages.warm_starts import histories
from service.tables import Job
from service.trials import repository as trials

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

_SPEC_SCHEMA = SearchSpec.model_json_schema()
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _SPEC_SCHEMA},
            "application/yaml": {"schema": {"type": "string"}},
        },
    }
}


@router.post("", status_code=201, openapi_extra=_BODY, responses={422: {"model": Problem}})
async def submit_job(
    request: Request,
    database: DatabaseDependency,
    settings: SettingsDependency,
    priority: Annotated[Priority, Query()] = jobs.PRIORITY,
) -> JobDetail:
    """Submit a SearchSpec, as JSON or YAML. A spec that is wrong anywhere starts nothing."""
    try:
        text = (await request.body()).decode()
    except UnicodeDecodeError as error:
        raise Invalid([FieldError("body", "the spec is not UTF-8 text")]) from error
    return await run_in_threadpool(_submit, text, database, settings, priority)


@router.get("")
def list_jobs(
    database: DatabaseDependency, limit: Annotated[int, Query(ge=1, le=500)] = 100
) -> list[JobView]:
    """The latest jobs, newest first."""
    with database.snapshot() as session:
        return [_view(session, job) for job in jobs.newest_first(session, limit)]


@router.get("/{job_id}", responses={404: {"model": Problem}})
def get_job(job_id: str, database: DatabaseDependency) -> JobDetail:
    """One job with its progress and its spec."""
    with database.snapshot() as session:
        return _detail(session, jobs.get(session, job_id))


@router.post(
    "/{job_id}/cancel",
    status_code=202,
    responses={404: {"model": Problem}, 409: {"model": Problem}},
)
def cancel_job(job_id: str, database: DatabaseDependency) -> JobDetail:
    """Ask for the job to stop; what it has scored stays."""
    with database.transaction() as session:
        return _detail(session, jobs.request_cancel(session, job_id))


@router.post(
    "/{job_id}/extend",
    status_code=202,
    responses={404: {"model": Problem}, 409: {"model": Problem}, 422: {"model": Problem}},
)
def extend_job(job_id: str, more: MoreBudget, database: DatabaseDependency) -> JobDetail:
    """Give a finished job's last stage more budget; it goes on where it stopped."""
    with database.transaction() as session:
        return _detail(session, extend(session, job_id, more))


@router.put("/{job_id}/priority", responses={404: {"model": Problem}, 409: {"model": Problem}})
def set_priority(job_id: str, change: PriorityChange, database: DatabaseDependency) -> JobDetail:
    """Give the job another share of the workers."""
    with database.transaction() as session:
        return _detail(session, jobs.set_priority(session, job_id, change.priority))


def _submit(text: str, database: Database, settings: Settings, priority: int) -> JobDetail:
    admitted = admit(text, settings)
    spec = admitted.spec
    with database.transaction() as session:
        plain = spec.model_dump(mode="json")
        job = jobs.create(session, spec.name, plain, admitted.model_digests, priority)
        stages.remember(session, job.id, histories(session, spec, admitted.genes))
        return _detail(session, job)


def _detail(session: Session, job: Job) -> JobDetail:
    view = _view(session, job)
    return JobDetail(**view.model_dump(), spec=job.spec, model_digests=job.model_digests)


def _view(session: Session, job: Job) -> JobView:
    counts = trials.counts_by_stage(session, job.id)
    endings = events.data_of(session, job.id, "stage.ended")
    views = StageView.all_of(job, counts, endings, renewals(session, job.id))
    return JobView.of(job, trials.progress(session, job.id), views)
