"""`/v1/jobs/{id}/...`: what is done to a job: pause, resume, cancel, extend, note, delete."""

from __future__ import annotations

import shutil
from typing import Annotated

from fastapi import APIRouter, Query

from service.dependencies import DatabaseDependency, SettingsDependency
from service.errors import Problem
from service.jobs import repository as jobs
from service.jobs.deleting import remove
from service.jobs.editing import Edit, edit
from service.jobs.extending import MoreBudget, extend
from service.jobs.schemas import JobDetail, PriorityChange
from service.jobs.views import detail_of
from service.quotas import repository as quotas

router = APIRouter(
    prefix="/v1/jobs/{job_id}",
    tags=["jobs"],
    responses={404: {"model": Problem}, 409: {"model": Problem}},
)


@router.post("/pause", status_code=202)
def pause_job(
    job_id: str,
    database: DatabaseDependency,
    now: Annotated[
        bool, Query(description="Stop what is being evaluated too; it is begun anew later.")
    ] = False,
) -> JobDetail:
    """Let the job rest, once the evaluations that are on their way have ended."""
    with database.transaction() as session:
        return detail_of(session, jobs.request_pause(session, job_id, at_once=now))


@router.post("/resume", status_code=202)
def resume_job(
    job_id: str, database: DatabaseDependency, settings: SettingsDependency
) -> JobDetail:
    """Let a paused job go on where it was."""
    with database.transaction() as session:
        quotas.check_queue(session, jobs.get(session, job_id).owner, settings)
        return detail_of(session, jobs.resume(session, job_id))


@router.post("/cancel", status_code=202)
def cancel_job(job_id: str, database: DatabaseDependency) -> JobDetail:
    """Ask for the job to stop for good; what it has scored stays."""
    with database.transaction() as session:
        return detail_of(session, jobs.request_cancel(session, job_id))


@router.post("/extend", status_code=202, responses={422: {"model": Problem}})
def extend_job(
    job_id: str, more: MoreBudget, database: DatabaseDependency, settings: SettingsDependency
) -> JobDetail:
    """Give a finished job's last stage more budget; it goes on where it stopped."""
    with database.transaction() as session:
        quotas.check_queue(session, jobs.get(session, job_id).owner, settings)
        return detail_of(session, extend(session, job_id, more))


@router.put("/priority", responses={422: {"model": Problem}})
def set_priority(job_id: str, change: PriorityChange, database: DatabaseDependency) -> JobDetail:
    """Give the job another share of the workers."""
    with database.transaction() as session:
        return detail_of(session, jobs.set_priority(session, job_id, change.priority))


@router.patch("", responses={422: {"model": Problem}})
def edit_job(job_id: str, wanted: Edit, database: DatabaseDependency) -> JobDetail:
    """Write notes on a job, or sort it by tags. An edit of another version is refused."""
    with database.transaction() as session:
        return detail_of(session, edit(session, job_id, wanted))


@router.delete("", status_code=204)
def delete_job(job_id: str, database: DatabaseDependency, settings: SettingsDependency) -> None:
    """Delete an ended job with all that it scored; its exported checkpoints stay."""
    with database.transaction() as session:
        remove(session, job_id)
    shutil.rmtree(settings.built_dir / job_id, ignore_errors=True)
