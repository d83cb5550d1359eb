"""`/v1/exports`: all that the caller has exported."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.accounts.authorisation import AccountDependency
from service.dependencies import DatabaseDependency
from service.exports import repository as exports
from service.exports.schemas import ExportView

router = APIRouter(prefix="/v1/exports", tags=["exports"])


@router.get("")
def list_all_exports(
    database: DatabaseDependency,
    account: AccountDependency,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[ExportView]:
    """The latest exports that the caller has asked for, those of deleted jobs too; an administrator
    sees everybody's."""
    with database.snapshot() as session:
        return [ExportView.of(export) for export in exports.of_owner(session, account.only, limit)]
