"""How the facts of panels leave the service."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field


class EventView(BaseModel):
    """What happened, when, and what is to be said of it."""

    kind: str
    at: datetime
    data: dict[str, Any]


class GeneView(BaseModel):
    """A gene's name and bounds, in the order of genomes."""

    name: str
    low: float
    high: float


class SeedView(BaseModel):
    """A trial that stands for what a person would try by hand, and its name."""

    trial: int
    label: str


class StintView(BaseModel):
    """One piece of work of one worker: it merged, then scored, and ended at `at`."""

    worker: str
    subject: str
    split: str
    merge_seconds: float
    score_seconds: float
    at: datetime


class QuestionView(BaseModel):
    """What an item asks, and its reference."""

    text: str
    reference: str


class ItemsView(BaseModel):
    """Item scores by task, in the order of the task's items."""

    subject: str
    scores: dict[str, list[float]] = Field(description="From 0, wrong, to 1, right.")
