"""How an export is asked for, and how it leaves the API."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from service.tables import Export


class ExportRequest(BaseModel):
    """Which child to export; the folder is the service's to choose."""

    model_config = ConfigDict(extra="forbid")

    trial: int | None = Field(default=None, ge=0, description="A trial; default: the best.")


class ExportView(BaseModel):
    """One export and where it lies."""

    id: str
    job_id: str
    trial: int
    folder: str = Field(description="The checkpoint's folder, whole once the export is finished.")
    state: str = Field(description="queued, finished or failed")
    reason: str | None
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, export: Export) -> ExportView:
        """The view of one export row."""
        return cls.model_validate(export, from_attributes=True)
