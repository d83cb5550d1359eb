"""What a stage searches over, as it was when it began."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import select
from sqlalchemy.orm import Session

from search.gene import Gene
from service.tables import StageGenes


def begin(session: Session, job_id: str, stage: str, genes: Sequence[Gene]) -> None:
    """Write down a stage's genes, once."""
    if session.get(StageGenes, (job_id, stage)) is None:
        row = StageGenes(job_id=job_id, stage=stage, genes=[asdict(gene) for gene in genes])
        session.add(row)


def genes_of(session: Session, job_id: str) -> dict[str, tuple[Gene, ...]]:
    """The genes of every stage of a job that has begun, by its name."""
    rows = session.scalars(select(StageGenes).where(StageGenes.job_id == job_id))
    return {
        row.stage: tuple(Gene(**(one | {"edges": tuple(one["edges"])})) for one in row.genes)
        for row in rows
    }
