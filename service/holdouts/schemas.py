"""How the ledger of holdouts leaves the API."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class HoldoutUseView(BaseModel):
    """One look at a holdout."""

    model_config = ConfigDict(from_attributes=True)

    job_id: str
    task: str
    round: int = Field(description="How many times the job had been extended.")
    items_digest: str = Field(description="Digest of the items' ids, prompts and references.")
    winner: int = Field(description="The trial that was scored on it.")
    earlier: int = Field(description="How many times these items had been a holdout before.")
    used_at: datetime
