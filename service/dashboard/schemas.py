"""How the facts of panels leave the service."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field


class GeneView(BaseModel):
    """A gene's name and bounds, in the order of genomes."""

    name: str
    low: float
    high: float


class StintView(BaseModel):
    """One piece of work of one worker: it merged, then scored, and ended at `at`."""

    worker: str
    subject: str
    split: str
    merge_seconds: float
    score_seconds: float
    at: datetime


class ItemsView(BaseModel):
    """Item scores by task, in the order of the task's items."""

    subject: str
    scores: dict[str, list[float]] = Field(description="From 0, wrong, to 1, right.")
