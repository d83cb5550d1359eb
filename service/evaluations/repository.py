"""What was evaluated: one row per subject and split, item scores per task, recorded once."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from evaluators.task import Split
from service.events import repository as events
from service.tables import Evaluation, Score, now
from workers.work import Result

Kind = Literal["trial", "parent", "average", "grid"]


@dataclass(frozen=True)
class Subject:
    """Whose recipe was evaluated: a trial by number, or a baseline by label."""

    kind: Kind
    label: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.label}"

    @classmethod
    def parse(cls, text: str) -> Subject:
        """The inverse of `str`."""
        kind, _, label = text.partition("/")
        return cls(kind, label)  # type: ignore[arg-type]

    @classmethod
    def trial(cls, number: int) -> Subject:
        """The subject of a trial."""
        return cls("trial", str(number))


@dataclass(frozen=True)
class Recorded:
    """An evaluation read back: scores by task, or a reason why there are none; how many seconds
    scoring took, and the child's number of parameters."""

    subject: Subject
    split: str
    reason: str | None
    scores: Mapping[str, Score]
    seconds: float = 0.0
    parameters: int | None = None

    def values(self) -> dict[str, list[float]]:
        """The item scores of each task."""
        return {task: unpack(score.items) for task, score in self.scores.items()}

    def means(self) -> dict[str, float]:
        """The mean item score of each task, in [0, 1]."""
        return {task: score.mean for task, score in self.scores.items()}


def record(
    session: Session, job_id: str, subject: Subject, split: Split, result: Result
) -> Recorded:
    """Record one result; its event is visible with it."""
    recorded = _write(session, job_id, subject, split, result, again=False)
    if subject.kind != "trial" or split != "search":
        data = {"subject": str(subject), "split": split, "means": recorded.means()}
        events.append(session, job_id, "evaluation.finished", data | {"reason": result.reason})
    return recorded


def record_again(
    session: Session, job_id: str, subject: Subject, split: Split, result: Result
) -> Recorded:
    """Record the result on all items in place of that on some of them."""
    return _write(session, job_id, subject, split, result, again=True)


def _write(
    session: Session, job_id: str, subject: Subject, split: Split, result: Result, *, again: bool
) -> Recorded:
    # What is there already is an error, unless it is known to be.
    put = session.merge if again else session.add
    put(
        Evaluation(
            job_id=job_id,
            subject=str(subject),
            split=split,
            reason=result.reason,
            worker=result.worker,
            merge_seconds=result.merge_seconds,
            score_seconds=result.score_seconds,
            parameters=result.parameters,
            finished_at=now(),
        )
    )
    scores = {
        task: Score(
            job_id=job_id,
            subject=str(subject),
            split=split,
            task=task,
            n=len(scores.values),
            mean=scores.mean,
            items=pack(scores.values),
            items_digest=result.items.get(task),
            truncated=scores.truncated,
            no_answer=scores.no_answer,
            wrong_language=scores.wrong_language,
            tokens=scores.tokens,
            failures=dict(scores.failures),
            agreed=scores.agreed,
        )
        for task, scores in result.scores.items()
    }
    for score in scores.values():
        put(score)
    seconds, parameters = result.score_seconds, result.parameters
    return Recorded(subject, split, result.reason, scores, seconds, parameters)


def copy(session: Session, job_id: str, original: Recorded, subject: Subject) -> Recorded:
    """Record an evaluation's scores once more, for another subject of the same recipe."""
    split = original.split
    session.add(
        Evaluation(
            job_id=job_id,
            subject=str(subject),
            split=split,
            worker="",
            merge_seconds=0.0,
            score_seconds=0.0,
            parameters=original.parameters,
            finished_at=now(),
        )
    )
    scores = {
        task: Score(
            job_id=job_id,
            subject=str(subject),
            split=split,
            task=task,
            n=score.n,
            mean=score.mean,
            items=score.items,
            items_digest=score.items_digest,
            truncated=score.truncated,
            no_answer=score.no_answer,
            wrong_language=score.wrong_language,
            tokens=score.tokens,
            failures=dict(score.failures),
            agreed=score.agreed,
        )
        for task, score in original.scores.items()
    }
    session.add_all(scores.values())
    return Recorded(subject, split, None, scores, original.seconds, original.parameters)


def all_of(
    session: Session,
    job_id: str,
    *,
    kind: Kind | None = None,
    split: str | None = None,
    subject: Subject | None = None,
) -> list[Recorded]:
    """A job's evaluations with their scores, in the order in which they were recorded."""
    rows = select(Evaluation).where(Evaluation.job_id == job_id)
    scores = select(Score).where(Score.job_id == job_id)
    if split is not None:
        rows = rows.where(Evaluation.split == split)
        scores = scores.where(Score.split == split)
    if subject is not None:
        rows = rows.where(Evaluation.subject == str(subject))
        scores = scores.where(Score.subject == str(subject))
    if kind is not None:
        rows = rows.where(Evaluation.subject.startswith(f"{kind}/"))
        scores = scores.where(Score.subject.startswith(f"{kind}/"))
    by_evaluation: dict[tuple[str, str], dict[str, Score]] = {}
    for score in session.scalars(scores):
        by_evaluation.setdefault((score.subject, score.split), {})[score.task] = score
    return [
        Recorded(
            Subject.parse(row.subject),
            row.split,
            row.reason,
            by_evaluation.get((row.subject, row.split), {}),
            row.score_seconds,
            row.parameters,
        )
        for row in session.scalars(rows.order_by(Evaluation.finished_at, Evaluation.subject))
    ]


def pack(values: Sequence[float]) -> bytes:
    """Item scores as float32, little-endian."""
    packed = array("f", values)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def unpack(items: bytes) -> list[float]:
    """The inverse of `pack`."""
    values = array("f")
    values.frombytes(items)
    if sys.byteorder == "big":
        values.byteswap()
    return values.tolist()
