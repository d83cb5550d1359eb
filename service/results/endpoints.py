"""`/v1/jobs/{id}/result`: the winner against everything it has to beat."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter
from sqlalchemy.orm import Session

from service.dependencies import DatabaseDependency
from service.errors import Problem
from service.evaluations import repository as evaluations
from service.evaluations.repository import Recorded, Subject
from service.holdouts import repository as holdouts
from service.jobs import repository as jobs
from service.results.schemas import ResultView
from service.results.view import result_of
from service.tables import Job
from service.trials import repository as trials

router = APIRouter(prefix="/v1/jobs/{job_id}/result", tags=["results"])


@router.get("", responses={404: {"model": Problem}})
def get_result(job_id: str, database: DatabaseDependency) -> ResultView:
    """The holdout table with intervals and McNemar's p, optimism, and uses of the holdout."""
    with database.snapshot() as session:
        job = jobs.get(session, job_id)
        found = _deciding(session, job)
        uses = holdouts.newest_first(session, job_id=job_id)
        return result_of(job, found, uses, trials.fitness_of(session, job_id))


def _deciding(session: Session, job: Job) -> list[Recorded]:
    """What a result rests on: of the search split, which may hold thousands of trials, the parents
    and the winner."""
    of = partial(evaluations.all_of, session, job.id)
    found = [*of(split="search", kind="parent"), *of(split="select"), *of(split="holdout")]
    if job.winner is not None:
        found += of(split="search", subject=Subject.trial(job.winner))
    return found
