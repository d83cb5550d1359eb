"""`/v1/jobs/{id}/evaluations`: parents, averages, grid points and finalists with intervals."""

from __future__ import annotations

from fastapi import APIRouter

from evaluators.task import Split
from service.dependencies import DatabaseDependency
from service.evaluations import repository as evaluations
from service.evaluations.repository import Kind
from service.evaluations.schemas import EvaluationView
from service.jobs import repository as jobs

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["evaluations"])


@router.get("/evaluations")
def list_evaluations(
    job_id: str, database: DatabaseDependency, split: Split | None = None, kind: Kind | None = None
) -> list[EvaluationView]:
    """Everything evaluated for the job so far, in order of recording."""
    with database.snapshot() as session:
        jobs.get(session, job_id)
        found = evaluations.all_of(session, job_id, split=split, kind=kind)
    return [EvaluationView.of(entry) for entry in found]
