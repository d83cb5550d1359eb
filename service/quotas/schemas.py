"""How quotas are set, and how they leave the API."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

_Most = Annotated[int | None, Field(ge=0, lt=2**53)]


class QuotasRequest(BaseModel):
    """What one owner may have; what is left out is as for everybody."""

    model_config = ConfigDict(extra="forbid")

    running_jobs: _Most = None
    queued_jobs: _Most = None
    trials_per_day: _Most = None
    export_bytes: _Most = None


class QuotaView(BaseModel):
    """One quota of an owner's."""

    limit: int | None = Field(description="Null: no limit.")
    used: int


class QuotasView(BaseModel):
    """An owner's quotas, and what is used of each."""

    owner: str
    running_jobs: QuotaView = Field(description="Jobs at work; more than that wait in the queue.")
    queued_jobs: QuotaView = Field(description="Jobs that wait to be begun.")
    trials_per_day: QuotaView = Field(description="Trials begun in the last 24 hours.")
    export_bytes: QuotaView = Field(description="Disk space of exported checkpoints.")
