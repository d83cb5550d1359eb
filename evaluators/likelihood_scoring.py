"""Scoring a model by the likelihood of given texts, where scoring.py scores what it writes."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from itertools import accumulate

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from evaluators.chat import Chat
from evaluators.likelihood import log_likelihoods, prepare_pairs
from evaluators.split_scores import SplitScores, summary
from evaluators.task import Item, ItemScore, LikelihoodTask, Split

TOO_LONG = ItemScore(value=0.0, correct=False, language_ok=True, truncated=True, no_answer=False)
"""The score of an item one of whose texts is longer than the model's context."""


class PreparedLikelihoods:
    """A split of a task (its first `limit` items) whose texts are tokenised for one tokenizer; as
    turns of `chat`, if that is given. Prepared once, scored for every candidate."""

    def __init__(
        self,
        task: LikelihoodTask,
        split: Split,
        tokenizer: PreTrainedTokenizerBase,
        *,
        limit: int | None = None,
        chat: Chat | None = None,
    ) -> None:
        self.task = task
        self.items: tuple[Item, ...] = tuple(task.items(split))[:limit]
        texts = [task.texts(item) for item in self.items]
        self._counts = [len(pairs) for pairs in texts]
        self._pairs = prepare_pairs([pair for one in texts for pair in one], tokenizer, chat=chat)

    def part(self, places: Sequence[int]) -> PreparedLikelihoods:
        """The items at these places, in this order, as if there were no others."""
        starts = [0, *accumulate(self._counts)]
        chosen = copy(self)
        chosen.items = tuple(self.items[place] for place in places)
        chosen._counts = [self._counts[place] for place in places]
        chosen._pairs = self._pairs.part(
            [number for place in places for number in range(starts[place], starts[place + 1])]
        )
        return chosen

    def item_scores(self, model: PreTrainedModel) -> list[ItemScore]:
        """The score of each item, in item order.

        Raises GenerationFailed when the model yields NaN.
        """
        found = iter(log_likelihoods(model, self._pairs))
        scores = []
        for item, count in zip(self.items, self._counts, strict=True):
            own = [next(found) for _ in range(count)]
            whole = [one for one in own if one is not None]
            scores.append(self.task.judge(item, whole) if len(whole) == count else TOO_LONG)
        return scores

    def score(self, model: PreTrainedModel) -> SplitScores:
        """Score, and sum up; nothing is generated.

        Raises GenerationFailed when the model yields NaN.
        """
        return summary(self.item_scores(model), tokens=0)
