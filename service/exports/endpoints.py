"""`/v1/jobs/{id}/exports`: children written out as ordinary checkpoints."""

from __future__ import annotations

import shutil

from fastapi import APIRouter
from sqlalchemy.orm import Session

from search.errors import FieldError
from service.accounts.authorisation import AccountDependency
from service.credentials import repository as credentials
from service.dependencies import DatabaseDependency, SettingsDependency
from service.errors import Conflict, Invalid, Problem, Refused
from service.exports import repository as exports
from service.exports.schemas import ExportRequest, ExportView
from service.jobs import repository as jobs
from service.quotas import repository as quotas
from service.settings import Settings
from service.tables import Job
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
    account: AccountDependency,
) -> ExportView:
    """Ask for a child's checkpoint; it is written by a worker, and uploaded if it has a target.

    A failed upload that is asked for again goes on where it stopped.
    """
    _check(body)
    with database.transaction() as session:
        job = jobs.get(session, job_id)
        _check_token(session, body, account.owner, settings)
        quotas.check_exports(session, account.owner, settings)
        _check_parents(body, job)
        number = body.trial
        if number is None:
            best = trials.progress(session, job_id).best
            number = job.winner if job.winner is not None else best
        if number is None:
            raise Conflict("the job has no scored trial to export yet")
        trials.get(session, job_id, number)
        export = exports.create(
            session,
            job_id,
            number,
            settings.exports_dir,
            owner=account.owner,
            repository=body.repository,
            public=body.public,
            dry_run=body.dry_run,
            gguf=body.gguf,
            parents=body.parents,
        )
        session.flush()
        return ExportView.of(export)


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


@router.delete("/{export_id}", status_code=204, responses={409: {"model": Problem}})
def delete_export(job_id: str, export_id: str, database: DatabaseDependency) -> None:
    """Delete an export's folder, also of a job that was deleted; what was uploaded stays."""
    with database.transaction() as session:
        folder = exports.remove(session, job_id, export_id)
    shutil.rmtree(folder, ignore_errors=True)


def _check_parents(body: ExportRequest, job: Job) -> None:
    """Raises Invalid for a repository of a model that the job doesn't have."""
    unknown = [alias for alias in body.parents if alias not in job.spec["models"]]
    if unknown:
        known = ", ".join(job.spec["models"])
        message = f"the job has no such model; it has: {known}"
        raise Invalid([FieldError(f"body.parents.{alias}", message) for alias in unknown])


def _check(body: ExportRequest) -> None:
    """Raises Invalid for what says nothing without a target."""
    if body.target is None:
        given = [name for name in ("public", "dry_run") if getattr(body, name)]
        if given:
            raise Invalid([FieldError(f"body.{name}", "needs a target") for name in given])


def _check_token(session: Session, body: ExportRequest, owner: str, settings: Settings) -> None:
    """Raises Refused for an upload that the owner has no token for."""
    if body.repository is None or body.dry_run:
        return
    if credentials.token_of(session, owner, settings) is None:
        raise Refused(
            "you have no token for the hub here: give it with `cuvee hub-token set`, or in local "
            "mode by HF_TOKEN or CUVEE_HUB_TOKEN_FILE"
        )
