"""What a stage searches over, as it was when it began."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from search.gene import Gene
from search.warm_start_spec import KnownTrial
from service.tables import StageGenes, StageHistory


def begin(session: Session, job_id: str, stage: str, genes: Sequence[Gene]) -> None:
    """Write down a stage's genes, once."""
    if session.get(StageGenes, (job_id, stage)) is None:
        row = StageGenes(job_id=job_id, stage=stage, genes=[asdict(gene) for gene in genes])
        session.add(row)


def remember(session: Session, job_id: str, histories: Mapping[str, list[dict[str, Any]]]) -> None:
    """Write down what stages know of before their first trial, by the stage's name."""
    for stage, trials in histories.items():
        session.add(StageHistory(job_id=job_id, stage=stage, trials=trials))


def history_of(session: Session, job_id: str, stage: str) -> list[KnownTrial]:
    """What a stage knew of before its first trial."""
    row = session.get(StageHistory, (job_id, stage))
    return [] if row is None else [KnownTrial.model_validate(one) for one in row.trials]


def genes_of(session: Session, job_id: str) -> dict[str, tuple[Gene, ...]]:
    """The genes of every stage of a job that has begun, by its name."""
    rows = session.scalars(select(StageGenes).where(StageGenes.job_id == job_id))
    return {
        row.stage: tuple(Gene(**(one | {"edges": tuple(one["edges"])})) for one in row.genes)
        for row in rows
    }
