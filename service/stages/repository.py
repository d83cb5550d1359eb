"""What a stage searches over and begins with, as it was when it began."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from search.gene import Gene
from search.seeds import Seed
from search.warm_start_spec import KnownTrial
from service.events import repository as events
from service.tables import StageGenes, StageHistory


def begin(
    session: Session,
    job_id: str,
    stage: str,
    genes: Sequence[Gene],
    *,
    seeds: Sequence[Seed],
    first: int,
) -> list[Seed]:
    """Write down a stage's genes and the seeds that its trials from number `first` on are, once;
    the seeds as they were written, which a larger budget or a later version does not change."""
    row = session.get(StageGenes, (job_id, stage))
    if row is None:
        row = StageGenes(
            job_id=job_id,
            stage=stage,
            genes=[asdict(gene) for gene in genes],
            seeds=[asdict(seed) for seed in seeds],
        )
        session.add(row)
        if seeds:
            named = [{"trial": first + at, "label": seed.label} for at, seed in enumerate(seeds)]
            events.append(session, job_id, "stage.seeded", {"stage": stage, "seeds": named})
    return [Seed(one["label"], tuple(one["genome"])) for one in row.seeds]


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
