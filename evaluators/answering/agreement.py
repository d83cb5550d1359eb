"""How often a chain of thought and a program give the same answer: a diagnostic, no fitness.

A fitness of it would reward a model that ignores one of both; and it costs as much again.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace

from transformers import PreTrainedModel

from evaluators.scoring import PreparedTask
from evaluators.split_scores import SplitScores, summary
from evaluators.task import Item


class PreparedAgreement:
    """A prepared task, and the same items prepared to be answered another way."""

    def __init__(self, scored: PreparedTask, other: PreparedTask) -> None:
        self._scored = scored
        self._other = other

    @property
    def items(self) -> tuple[Item, ...]:
        """The items that are scored."""
        return self._scored.items

    def part(self, places: Sequence[int]) -> PreparedAgreement:
        """The items at these places, in this order, as if there were no others."""
        chosen = copy(self)
        chosen._scored = self._scored.part(places)
        chosen._other = self._other.part(places)
        return chosen

    def score(self, model: PreTrainedModel) -> SplitScores:
        """The scores of the first way, and the number of items with one answer both ways; no
        answer agrees with none. `tokens` are those of both.

        Raises GenerationFailed when the model yields NaN.
        """
        ours, theirs = self._scored.completions(model), self._other.completions(model)
        scores = summary(
            self._scored.item_scores(ours),
            sum(completion.tokens for completion in (*ours, *theirs)),
            self._scored.texts(ours),
        )
        pairs = zip(self._scored.answers(ours), self._other.answers(theirs), strict=True)
        return replace(scores, agreed=sum(a is not None and a == b for a, b in pairs))
