"""How far a job's models are, as it leaves the API."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

Step = Literal["fetching", "converting", "reading", "waiting"]


class FetchView(BaseModel):
    """How far the models of a job are."""

    step: Step = Field(
        description="What is done about them; waiting: other jobs need the room that is left."
    )
    done: int = Field(description="Bytes of the hub's models that are here.")
    size: int = Field(
        description="Bytes of those that were missing; 0 where none comes from there."
    )
