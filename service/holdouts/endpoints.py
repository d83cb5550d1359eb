"""`/v1/holdouts`: every use of a holdout by any job."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.accounts.authorisation import AccountDependency
from service.dependencies import DatabaseDependency
from service.holdouts import repository as holdouts
from service.holdouts.schemas import HoldoutUseView

router = APIRouter(prefix="/v1/holdouts", tags=["holdouts"])


@router.get("")
def list_holdouts(
    database: DatabaseDependency,
    account: AccountDependency,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> list[HoldoutUseView]:
    """The ledger of the caller's jobs, newest first."""
    with database.snapshot() as session:
        rows = holdouts.newest_first(session, owner=account.only, limit=limit)
        return [HoldoutUseView.model_validate(row) for row in rows]
