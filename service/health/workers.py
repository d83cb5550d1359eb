"""`/v1/workers`: every worker there is, and what it does."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter
from sqlalchemy.orm import Session

from service.accounts.authorisation import Account, AccountDependency
from service.controller.work_ids import About, about
from service.dependencies import DatabaseDependency
from service.health.schemas import WorkerView
from service.leases import repository as leases
from service.tables import Export, Job
from workers.interface import Occupation

router = APIRouter(prefix="/v1/workers", tags=["health"])

_UNTOLD = About(None, None, None, "")


@router.get("")
def list_workers(database: DatabaseDependency, account: AccountDependency) -> list[WorkerView]:
    """The workers of every process on the database. What they do for other owners stays untold."""
    with database.snapshot() as session:
        return [
            _view(session, account, service, occupation)
            for service, occupations in leases.doing(session).items()
            for occupation in occupations
        ]


def _view(session: Session, account: Account, service: str, occupation: Occupation) -> WorkerView:
    found = None if occupation.work_id is None else about(occupation.work_id)
    told = found if found is not None and _is_seen(session, account, found) else _UNTOLD
    since = occupation.since
    return WorkerView(
        service=service,
        name=occupation.worker,
        node=occupation.node,
        busy=found is not None,
        since=None if since is None else datetime.fromtimestamp(since, UTC),
        job_id=told.job,
        export_id=told.export,
        trial=told.trial,
        work=told.what or None,
    )


def _is_seen(session: Session, account: Account, found: About) -> bool:
    row: Job | Export | None
    if found.job is not None:
        row = session.get(Job, found.job)
    else:
        row = session.get(Export, found.export)
    return row is not None and account.sees(row.owner)
