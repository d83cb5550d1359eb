"""What scoring a split of a task comes to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from evaluators.task import ItemScore


@dataclass(frozen=True)
class SplitScores:
    """One value in [0, 1] an item, in item order, and counts of what went wrong.

    An item may be counted several times: a truncated completion often has no answer either.
    `tokens` counts generated tokens. `failures` counts failed programs by how they failed. `agreed`
    counts the items to which a chain of thought and a program give the same answer; None where that
    was not looked at. `texts` are what was written for each item; None where nothing is.
    """

    values: list[float]
    truncated: int
    no_answer: int
    wrong_language: int
    tokens: int
    failures: Mapping[str, int] = field(default_factory=dict)
    agreed: int | None = None
    texts: Sequence[str] | None = None


def summary(
    scores: Sequence[ItemScore], tokens: int, texts: Sequence[str] | None = None
) -> SplitScores:
    """Values and counts of scored items, for which so many tokens were generated."""
    return SplitScores(
        values=[item.value for item in scores],
        truncated=sum(item.truncated for item in scores),
        no_answer=sum(item.no_answer for item in scores),
        wrong_language=sum(not item.language_ok for item in scores),
        tokens=tokens,
        failures=dict(Counter(failure for item in scores for failure in item.failures)),
        texts=texts,
    )
