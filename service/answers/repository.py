"""What was asked and answered on the search split, word for word: of every parent, and of a job's
best trials, as far as they are kept."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from service.evaluations.repository import Subject
from service.tables import Answers, Questions, Trial
from workers.work import Question, Result

_LONGEST = 2000


def record(
    session: Session,
    job_id: str,
    subject: Subject,
    result: Result,
    places: Mapping[str, Sequence[int]] | None = None,
) -> None:
    """Keep a result's answers, beside those that are there of other items: the result of a block
    has those at `places`, by task. Questions are kept once."""
    for task, texts in result.answers.items():
        at = range(len(texts)) if places is None else places[task]
        fresh = {str(place): _cut(text) for place, text in zip(at, texts, strict=True)}
        row = session.get(Answers, (job_id, str(subject), task))
        if row is None:
            row = Answers(job_id=job_id, subject=str(subject), task=task, texts=_packed({}))
            session.add(row)
        row.texts = _packed(_unpacked(row.texts) | fresh)
    for task, questions in result.questions.items():
        if session.get(Questions, (job_id, task)) is None:
            # A prompt that begins with examples ends with what it asks.
            asked = [[_end(one.text), _cut(one.reference)] for one in questions]
            session.add(Questions(job_id=job_id, task=task, texts=_packed(asked)))


def keep_best(session: Session, job_id: str, most: int) -> None:
    """Forget the answers of ended trials but for the `most` best: those that miss constraints by
    the least, and of them those of the highest fitness."""
    found = select(Answers.subject).where(
        Answers.job_id == job_id, Answers.subject.startswith("trial/")
    )
    numbers = {int(Subject.parse(text).label) for text in session.scalars(found)}
    if len(numbers) <= most:
        return
    ranked = session.scalars(
        select(Trial.number)
        .where(Trial.job_id == job_id, Trial.number.in_(numbers), Trial.state != "pending")
        .order_by(Trial.shortfall, Trial.fitness.is_(None), Trial.fitness.desc(), Trial.number)
    ).all()
    forget(session, job_id, ranked[most:])


def forget(session: Session, job_id: str, numbers: Sequence[int]) -> None:
    """Forget the answers of trials."""
    subjects = [str(Subject.trial(number)) for number in numbers]
    query = delete(Answers).where(Answers.job_id == job_id, Answers.subject.in_(subjects))
    session.execute(query.execution_options(synchronize_session=False))


def of_subject(session: Session, job_id: str, subject: Subject) -> dict[str, dict[int, str]]:
    """A subject's answers by task and by the item's place; empty where none are kept."""
    query = select(Answers).where(Answers.job_id == job_id, Answers.subject == str(subject))
    return {
        row.task: {int(place): text for place, text in _unpacked(row.texts).items()}
        for row in session.scalars(query)
    }


def questions_of(session: Session, job_id: str) -> dict[str, list[Question]]:
    """What a job's tasks ask, in the order of their items."""
    query = select(Questions).where(Questions.job_id == job_id)
    return {
        row.task: [Question(*pair) for pair in _unpacked(row.texts)]
        for row in session.scalars(query)
    }


def _packed(texts: Any) -> bytes:
    return zlib.compress(json.dumps(texts, ensure_ascii=False).encode(errors="replace"))


def _unpacked(packed: bytes) -> Any:
    return json.loads(zlib.decompress(packed))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _end(text: str) -> str:
    return text if len(text) <= _LONGEST else f"…{text[-_LONGEST:]}"
