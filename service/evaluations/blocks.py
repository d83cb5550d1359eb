"""Blocks: the item scores of a trial that is scored step by step, each recorded once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.tables import Block, now
from workers.work import Result, TaskScores


def record(session: Session, job_id: str, trial: int, number: int, result: Result) -> None:
    """Record a trial's scores on one block, in the order of the block's items."""
    session.add(
        Block(
            job_id=job_id,
            trial=trial,
            number=number,
            worker=result.worker,
            merge_seconds=result.merge_seconds,
            score_seconds=result.score_seconds,
            parameters=result.parameters,
            scores={task: asdict(scores) for task, scores in result.scores.items()},
            finished_at=now(),
        )
    )


def all_of(session: Session, job_id: str) -> dict[int, dict[int, Result]]:
    """What `record` was given for a job, by trial and the block's number."""
    query = select(Block).where(Block.job_id == job_id).order_by(Block.trial, Block.number)
    found: dict[int, dict[int, Result]] = {}
    for row in session.scalars(query):
        scores = {
            task: TaskScores(**(fields | {"values": tuple(fields["values"])}))
            for task, fields in row.scores.items()
        }
        seconds, size = (row.merge_seconds, row.score_seconds), row.parameters
        result = Result("", row.worker, scores, None, *seconds, parameters=size)
        found.setdefault(row.trial, {})[row.number] = result
    return found


def joined(
    blocks: Sequence[Result], places: Sequence[Mapping[str, Sequence[int]]], tasks: Sequence[str]
) -> Result:
    """Blocks as one result, item scores in the order of the task's items.

    `places` says which items each block holds. A task none of whose items was scored is left out.
    """
    scores = {}
    for task in tasks:
        parts = [(found.scores[task], at[task]) for found, at in _pairs(blocks, places, task)]
        values: dict[int, float] = {}
        for part, at in parts:
            values |= zip(at, part.values, strict=True)
        if values:
            scores[task] = TaskScores(
                values=tuple(values[place] for place in sorted(values)),
                truncated=sum(part.truncated for part, _ in parts),
                no_answer=sum(part.no_answer for part, _ in parts),
                wrong_language=sum(part.wrong_language for part, _ in parts),
                tokens=sum(part.tokens for part, _ in parts),
                failures=dict(sum((Counter(part.failures) for part, _ in parts), Counter())),
            )
    return Result(
        "",
        blocks[-1].worker,
        scores,
        None,
        sum(block.merge_seconds for block in blocks),
        sum(block.score_seconds for block in blocks),
        parameters=blocks[-1].parameters,
    )


def _pairs(
    blocks: Sequence[Result], places: Sequence[Mapping[str, Sequence[int]]], task: str
) -> list[tuple[Result, Mapping[str, Sequence[int]]]]:
    pairs = zip(blocks, places, strict=True)
    return [(block, at) for block, at in pairs if task in at]
