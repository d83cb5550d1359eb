"""`/v1/jobs/{id}/importance`: which genes mattered, and slopes around the best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from fastapi import APIRouter

from search.errors import SearchError
from search.gene import Gene
from search.importance import Scored, importances, sensitivity
from service.dependencies import DatabaseDependency
from service.errors import Problem
from service.jobs import repository as jobs
from service.stages import repository as stages
from service.stages.schemas import ImportanceView, SensitivityView
from service.trials import repository as trials

router = APIRouter(prefix="/v1/jobs/{job_id}/importance", tags=["importance"])

_Answer = TypeVar("_Answer")


@router.get("", responses={404: {"model": Problem}})
def get_importance(job_id: str, database: DatabaseDependency) -> list[ImportanceView]:
    """For every stage that has begun: the importance of its genes, and the slope of the fitness
    with each around the best trial. Nothing is evaluated for it."""
    with database.snapshot() as session:
        names = [stage["name"] for stage in jobs.get(session, job_id).spec["stages"]]
        found = stages.genes_of(session, job_id)
        whole = trials.listed(session, job_id, states=("finished",))
    return [
        _view(
            name,
            found[name],
            [
                Scored(one.number, tuple(one.genome), one.fitness)
                for one in whole
                if one.stage == name and one.fitness is not None
            ],
        )
        for name in names
        if name in found
    ]


def _view(stage: str, genes: Sequence[Gene], scored: Sequence[Scored]) -> ImportanceView:
    notes: list[str] = []

    def told(compute: Callable[[Sequence[Gene], Sequence[Scored]], _Answer]) -> _Answer | None:
        try:
            return compute(genes, scored)
        except SearchError as error:
            notes.append(str(error))
            return None

    shares, slopes = told(importances), told(sensitivity)
    return ImportanceView(
        stage=stage,
        trials=len(scored),
        importances=shares,
        sensitivity=None if slopes is None else SensitivityView.model_validate(slopes),
        notes=notes,
    )
