"""Designs: what a stage's candidates are scored on, recorded once, before anything follows."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from search.item_response.calibrating import Calibrated
from search.item_response.design import Design
from service.events import repository as events
from service.tables import AnchorDesign, now


@dataclass(frozen=True)
class RecordedDesign:
    """A stage's design, and the first of its generations that is scored by it."""

    generation: int
    design: Design


def record(
    session: Session, job_id: str, stage: str, generation: int, found: Calibrated
) -> RecordedDesign:
    """Record a stage's design; the event says what is expected of it."""
    design = found.design
    session.add(
        AnchorDesign(
            job_id=job_id,
            stage=stage,
            generation=generation,
            data=design.to_data(),
            created_at=now(),
        )
    )
    data = {
        "stage": stage,
        "generation": generation,
        "dimensions": design.items.discrimination.shape[1],
        "ridge": design.ridge,
        "items": {task: len(anchors.places) for task, anchors in design.anchors.items()},
        "delta": {task: anchors.delta for task, anchors in design.anchors.items()},
        "expected_error": dict(found.errors),
    }
    events.append(session, job_id, "anchors.chosen", data)
    return RecordedDesign(generation, design)


def all_of(session: Session, job_id: str) -> dict[str, RecordedDesign]:
    """A job's designs by stage."""
    query = select(AnchorDesign).where(AnchorDesign.job_id == job_id)
    return {
        row.stage: RecordedDesign(row.generation, Design.from_data(row.data))
        for row in session.scalars(query)
    }
