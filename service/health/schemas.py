"""How a worker leaves the API."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field


class WorkerView(BaseModel):
    """One worker, as its service last told: some seconds ago at most."""

    service: str = Field(description="The process that it works for.")
    name: str
    node: str | None = Field(description="The machine that it is on; null while it starts.")
    busy: bool
    since: datetime | None = Field(description="Since when it does what it does.")
    job_id: str | None = Field(description="Null where it is somebody else's.")
    export_id: str | None
    trial: int | None
    work: str | None = Field(description="What it does, such as `trial/17:search`.")
