"""`/v1/jobs/{id}/exports`: children written out as ordinary checkpoints."""

from __future__ import annotations

from fastapi import APIRouter

from service.dependencies import DatabaseDependency, SettingsDependency
from service.errors import Conflict, Problem
from service.exports import repository as exports
from service.exports.schemas import ExportRequest, ExportView
from service.jobs import repository as jobs
from service.trials import repository as trials

router = APIRouter(
    prefix="/v1/jobs/{job_id}/exports", tags=["exports"], responses={404: {"model": Problem}}
)


@router.post("", status_code=202, responses={409: {"model": Problem}})
def request_export(
    job_id: str,
    body: ExportRequest,
    database: DatabaseDependency,
    settings: SettingsDependency,
) -> ExportView:
    """Ask for a child's checkpoint; it is written by a worker."""
    with database.transaction() as session:
        job = jobs.get(session, job_id)
        number = body.trial
        if number is None:
            best = trials.progress(session, job_id).best
            number = job.winner if job.winner is not None else best
        if number is None:
            raise Conflict("the job has no scored trial to export yet")
        trials.get(session, job_id, number)
        return ExportView.of(exports.create(session, job_id, number, settings.exports_dir))


@router.get("")
def list_exports(job_id: str, database: DatabaseDependency) -> list[ExportView]:
    """The job's exports, oldest first."""
    with database.snapshot() as session:
        jobs.get(session, job_id)
        return [ExportView.of(export) for export in exports.of_job(session, job_id)]


@router.get("/{export_id}")
def get_export(job_id: str, export_id: str, database: DatabaseDependency) -> ExportView:
    """One export."""
    with database.snapshot() as session:
        return ExportView.of(exports.get(session, job_id, export_id))
