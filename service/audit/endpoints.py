"""`/v1/audit`: who changed what."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from service.audit import repository as audit
from service.dependencies import DatabaseDependency

router = APIRouter(prefix="/v1/audit", tags=["accounts"])


class AuditView(BaseModel):
    """One request for a change."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    at: datetime
    owner: str
    token_id: str | None = Field(description="Null in local mode and on the command line.")
    action: str = Field(description="Method and path template, or the command.")
    target: str
    status: int | None = Field(description="Of the answer; null if the service died before it.")


@router.get("")
def list_audit_entries(
    database: DatabaseDependency,
    before: Annotated[
        int | None, Query(ge=1, lt=2**63, description="Only entries of a smaller id.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[AuditView]:
    """The audit log, newest first."""
    with database.snapshot() as session:
        rows = audit.newest_first(session, before, limit)
        return [AuditView.model_validate(row) for row in rows]
