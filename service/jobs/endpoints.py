"""`/v1/jobs`: submit, try, list, look at, clone. What is done to a job is in `control`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Header, Query, Request, Response
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from search.errors import FieldError
from search.spec import SearchSpec
from service.accounts.authorisation import Account, AccountDependency, owned
from service.credentials.repository import asked_for
from service.database import Database
from service.dependencies import DatabaseDependency, SettingsDependency
from service.errors import Invalid, Problem
from service.jobs import repository as jobs
from service.jobs import submissions
from service.jobs.admission import Admitted, admit
from service.jobs.blocks import with_blocks
from service.jobs.editing import Changes, changed
from service.jobs.estimating import estimate
from service.jobs.listing import Filters, Sort, State, page
from service.jobs.schemas import Estimate, JobDetail, JobView, Priority
from service.jobs.views import detail_of, view_of
from service.leases import repository as leases
from service.quotas import repository as quotas
from service.settings import Settings
from service.stages import repository as stages
from service.stages.warm_starts import histories
from service.tables import Job

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
_AGAIN: dict[int | str, dict[str, Any]] = {
    200: {"model": JobDetail, "description": "The job that the same request had made before"}
}
_LINK = {"Link": {"schema": {"type": "string"}, "description": "The next page, rel=next, if any."}}


@router.post(
    "", status_code=201, openapi_extra=_BODY, responses={**_AGAIN, 422: {"model": Problem}}
)
async def submit_job(
    *,
    request: Request,
    response: Response,
    database: DatabaseDependency,
    settings: SettingsDependency,
    account: AccountDependency,
    priority: Annotated[Priority, Query()] = jobs.PRIORITY,
    idempotency_key: Annotated[
        str | None,
        Header(
            pattern=r"^[!-~]{1,255}$",
            description="A request sent again under its key makes no other job.",
        ),
    ] = None,
) -> JobDetail:
    """Submit a SearchSpec, as JSON or YAML. A spec that is wrong anywhere starts nothing."""
    body = await request.body()
    submit = partial(
        _submit, body, database, settings, account, key=idempotency_key, priority=priority
    )
    job, fresh = await run_in_threadpool(submit)
    response.status_code = 201 if fresh else 200
    return job


@router.post("/validate", openapi_extra=_BODY, responses={422: {"model": Problem}})
async def validate_job(
    request: Request,
    database: DatabaseDependency,
    settings: SettingsDependency,
    account: AccountDependency,
) -> Estimate:
    """Check a SearchSpec as submitting does, and say what it would search over and cost."""
    body = await request.body()

    def try_it() -> Estimate:
        token = asked_for(database, account.owner, settings)
        return estimate(admit(_text(body), settings, token), settings.tasks_dir)

    return await run_in_threadpool(try_it)


@router.get("", responses={200: {"headers": _LINK}, 422: {"model": Problem}})
def list_jobs(
    *,
    request: Request,
    response: Response,
    database: DatabaseDependency,
    account: AccountDependency,
    state: Annotated[list[State], Query(description="Only jobs in one of these states.")] = [],  # noqa: B006
    tag: Annotated[str | None, Query(max_length=50, description="Only jobs with this tag.")] = None,
    name: Annotated[
        str | None, Query(max_length=100, description="Only jobs with this text in their name.")
    ] = None,
    sort: Annotated[Sort, Query(description="A minus sign puts the last first.")] = "-created",
    cursor: Annotated[
        str | None, Query(max_length=1000, description="From the Link of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> list[JobView]:
    """The caller's jobs, a page at a time; an administrator sees everybody's."""
    filters = Filters(account.only, state, tag, name)
    with database.snapshot() as session:
        found, following = page(session, filters, sort, cursor, limit)
        if following is not None:
            kept = [pair for pair in request.query_params.multi_items() if pair[0] != "cursor"]
            query = urlencode([*kept, ("cursor", following)])
            response.headers["Link"] = f'</v1/jobs?{query}>; rel="next"'
        return [view_of(session, job) for job in found]


@router.get("/{job_id}", responses={404: {"model": Problem}})
def get_job(job_id: str, database: DatabaseDependency) -> JobDetail:
    """One job with its progress, its spec and its notes."""
    with database.snapshot() as session:
        return detail_of(session, jobs.get(session, job_id))


@router.post(
    "/{job_id}/clone",
    status_code=201,
    responses={404: {"model": Problem}, 422: {"model": Problem}},
)
def clone_job(
    job_id: str,
    body: Changes,
    database: DatabaseDependency,
    settings: SettingsDependency,
    account: AccountDependency,
) -> JobDetail:
    """Submit a job's spec again, with other values where `changes` has some."""
    with database.snapshot() as session:
        spec = changed(jobs.get(session, job_id).spec, body.changes)
    admitted = _admit(json.dumps(spec), database, settings, account)
    digests = admitted.model_digests()
    with database.transaction() as session:
        return detail_of(session, _create(session, admitted, digests, account, settings))


def _submit(
    body: bytes,
    database: Database,
    settings: Settings,
    account: Account,
    *,
    key: str | None,
    priority: int,
) -> tuple[JobDetail, bool]:
    """The job, and whether it is a new one."""
    if key is not None:
        with database.snapshot() as session:
            made = submissions.made_by(session, account.owner, key, body)
            if made is not None:
                return detail_of(session, made), False
    admitted = _admit(_text(body), database, settings, account)
    digests = admitted.model_digests()
    with database.transaction() as session:
        # Writers take turns: one that was as quick as this one has its job in the database by now.
        made = submissions.made_by(session, account.owner, key, body) if key else None
        if made is not None:
            return detail_of(session, made), False
        job = _create(session, admitted, digests, account, settings, priority=priority)
        if key is not None:
            submissions.remember(session, account.owner, key, body, job.id)
        return detail_of(session, job), True


def _admit(text: str, database: Database, settings: Settings, account: Account) -> Admitted:
    admitted = admit(text, settings, asked_for(database, account.owner, settings))
    with database.snapshot() as session:
        workers = leases.all_workers(session)
    return with_blocks(admitted, workers, settings.tasks_dir)


def _create(
    session: Session,
    admitted: Admitted,
    digests: Mapping[str, str],
    account: Account,
    settings: Settings,
    *,
    priority: int = jobs.PRIORITY,
) -> Job:
    quotas.check_queue(session, account.owner, settings)
    spec = admitted.spec
    known = histories(session, spec, admitted.genes, partial(owned, session, account))
    data = spec.model_dump(mode="json")
    phase = jobs.FETCH if admitted.absent else "queued"
    job = jobs.create(session, spec.name, data, digests, priority, owner=account.owner, phase=phase)
    stages.remember(session, job.id, known)
    return job


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise Invalid([FieldError("body", "the spec is not UTF-8 text")]) from error
