"""`/v1/jobs/{id}/evaluations`: parents, averages, grid points and finalists with intervals; and
`/v1/jobs/{id}/compare`: two of them, item by item."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy.orm import Session

from evaluators.task import Split
from search.errors import FieldError
from service.dependencies import DatabaseDependency
from service.errors import Invalid, NotFound, Problem
from service.evaluations import repository as evaluations
from service.evaluations.repository import Kind, Recorded, Subject
from service.evaluations.schemas import ComparisonView, EvaluationView
from service.jobs import repository as jobs
from service.trials import repository as trials

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


SubjectText = Annotated[
    str,
    Query(
        pattern=r"^(\d{1,7}|(trial|parent|average|grid)/[^\x00]{1,190})$",
        description="A trial's number, or kind/label of an evaluation, such as parent/maths.",
    ),
]


@router.get("/compare", responses={404: {"model": Problem}, 422: {"model": Problem}})
def compare(
    job_id: str,
    first: SubjectText,
    second: SubjectText,
    database: DatabaseDependency,
    split: Split = "search",
) -> ComparisonView:
    """Two evaluations on the same items of a split, task by task, with McNemar's exact test."""
    with database.snapshot() as session:
        jobs.get(session, job_id)
        one, other = (_scored(session, job_id, text, split) for text in (first, second))
        stages = {_anchored_in(session, job_id, entry) for entry in (one, other)}
    _check_same_items(one, other)
    if len(stages) > 1:
        message = f"{one.subject} and {other.subject} were scored on other anchors"
        raise Invalid([FieldError("second", message)])
    return ComparisonView.of(one, other)


def _scored(session: Session, job_id: str, text: str, split: Split) -> Recorded:
    subject = Subject.trial(int(text)) if text.isdecimal() else Subject.parse(text)
    found = evaluations.all_of(session, job_id, split=split, subject=subject)
    if not found or not found[0].scores:
        raise NotFound(f"job {job_id} has no scores of {subject} on the {split} split")
    return found[0]


def _anchored_in(session: Session, job_id: str, entry: Recorded) -> str | None:
    """The stage by whose anchors alone it was scored, if so."""
    if entry.subject.kind != "trial" or entry.split != "search":
        return None
    trial = trials.find(session, job_id, int(entry.subject.label))
    return trial.stage if trial is not None and trial.state == "estimated" else None


def _check_same_items(one: Recorded, other: Recorded) -> None:
    """Raises Invalid where one was scored on fewer items than the other."""
    for task in one.scores.keys() & other.scores.keys():
        counts = one.scores[task].n, other.scores[task].n
        if counts[0] != counts[1]:
            field, fewer = ("first", one) if counts[0] < counts[1] else ("second", other)
            some = f"{fewer.subject} was scored on {min(counts)} of {max(counts)} items"
            message = f"{some} of {task}; compare evaluations of the same items"
            raise Invalid([FieldError(field, message)])
