"""How an evaluation leaves the API: every accuracy with its n and its 95 % interval."""

from __future__ import annotations

from pydantic import BaseModel, Field

from evaluators.intervals import mcnemar, wilson
from service.evaluations.repository import Recorded, unpack
from service.tables import Score


class Accuracy(BaseModel):
    """Mean item score on one task and split, with Wilson's 95 % interval."""

    task: str
    n: int = Field(description="Number of items.")
    accuracy: float
    low: float
    high: float
    truncated: int = Field(description="Answers that ran into the length limit.")
    no_answer: int = Field(description="Answers in which no number was found.")
    wrong_language: int = Field(description="Answers in another language than the task's.")
    tokens: int = Field(description="Tokens generated.")
    failures: dict[str, int] = Field(
        description="Programs that failed, by how; docs/answering.md lists the names."
    )
    agreed: int | None = Field(
        description="Items with the same answer by a chain of thought and by a program, where that "
        "was asked for."
    )

    @classmethod
    def of(cls, score: Score) -> Accuracy:
        """The view of one score row."""
        low, high = wilson(score.mean * score.n, score.n)
        return cls(
            task=score.task,
            n=score.n,
            accuracy=score.mean,
            low=low,
            high=high,
            truncated=score.truncated,
            no_answer=score.no_answer,
            wrong_language=score.wrong_language,
            tokens=score.tokens,
            failures=score.failures,
            agreed=score.agreed,
        )


class EvaluationView(BaseModel):
    """What one subject scored on one split."""

    kind: str = Field(description="trial, parent, average or grid")
    label: str = Field(description="A trial's number, a parent's alias, or a baseline's label.")
    split: str
    reason: str | None = Field(description="Why there are no scores, where there are none.")
    scores: list[Accuracy]

    @classmethod
    def of(cls, recorded: Recorded) -> EvaluationView:
        """The view of one recorded evaluation."""
        return cls(
            kind=recorded.subject.kind,
            label=recorded.subject.label,
            split=recorded.split,
            reason=recorded.reason,
            scores=[Accuracy.of(score) for score in recorded.scores.values()],
        )


class TaskComparison(BaseModel):
    """Two accuracies on the same items, and how sure it is that they differ."""

    first: Accuracy
    second: Accuracy
    first_better: int = Field(description="Items that only the first solves, or it solves better.")
    second_better: int = Field(description="Items that only the second solves, or better.")
    p: float = Field(
        description="Two-sided p value of McNemar's exact test; of many comparisons that are made, "
        "one in twenty falls below 0.05 by chance."
    )

    @classmethod
    def of(cls, first: Score, second: Score) -> TaskComparison:
        """The comparison of two score rows of one task and split."""
        items = unpack(first.items), unpack(second.items)
        pairs = list(zip(*items, strict=True))
        return cls(
            first=Accuracy.of(first),
            second=Accuracy.of(second),
            first_better=sum(a > b for a, b in pairs),
            second_better=sum(a < b for a, b in pairs),
            p=mcnemar(*items),
        )


class ComparisonView(BaseModel):
    """Two subjects on one split."""

    first: str = Field(description="kind/label")
    second: str = Field(description="kind/label")
    split: str
    tasks: dict[str, TaskComparison]

    @classmethod
    def of(cls, first: Recorded, second: Recorded) -> ComparisonView:
        """The comparison of two recorded evaluations on the tasks that both have."""
        return cls(
            first=str(first.subject),
            second=str(second.subject),
            split=first.split,
            tasks={
                task: TaskComparison.of(score, second.scores[task])
                for task, score in first.scores.items()
                if task in second.scores
            },
        )
