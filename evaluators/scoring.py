"""Scoring a model on a split of a task: item scores, never only a mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from typing import Protocol

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from evaluators.answering.voting import elected, score_samples
from evaluators.batches import prepare
from evaluators.chat import Chat
from evaluators.generation import generate
from evaluators.likelihood_scoring import PreparedLikelihoods
from evaluators.split_scores import SplitScores, summary
from evaluators.task import Completion, Item, ItemScore, LikelihoodTask, Split, Task

BETWEEN_SAMPLES = "\n\n* * *\n\n"
"""What lies between two samples of an item, where they are shown as one text."""


class PreparedTask:
    """A split of a task (its first `limit` items) tokenised for one tokenizer; as turns of `chat`,
    if that is given.

    Prepared once, scored for every candidate; not to be shared by threads.
    """

    def __init__(
        self,
        task: Task,
        split: Split,
        tokenizer: PreTrainedTokenizerBase,
        *,
        limit: int | None = None,
        chat: Chat | None = None,
    ) -> None:
        self.task = task
        self.split = split
        self.items: tuple[Item, ...] = tuple(task.items(split))[:limit]
        self._batches = prepare(self.items, tokenizer, task.generation, chat=chat)

    def part(self, places: Sequence[int]) -> PreparedTask:
        """The items at these places, in this order, batched as if there were no others.

        It shares memory with the whole: score one of both at a time.
        """
        chosen = copy(self)
        chosen.items = tuple(self.items[place] for place in places)
        chosen._batches = self._batches.part(places)
        return chosen

    def completions(self, model: PreTrainedModel) -> list[Completion]:
        """What the model writes after each item's prompt, in item order; an item's samples beside
        each other."""
        return generate(model, self._batches)

    def item_scores(self, completions: Sequence[Completion]) -> list[ItemScore]:
        """The score of each item."""
        return [score_samples(self.task, *pair) for pair in self._samples(completions)]

    def answers(self, completions: Sequence[Completion]) -> list[str | None]:
        """The answer to each item, in the spelling that equal answers share."""
        return [elected(self.task, *pair) for pair in self._samples(completions)]

    def texts(self, completions: Sequence[Completion]) -> list[str]:
        """What was written for each item; of several samples one after the other."""
        return [
            BETWEEN_SAMPLES.join(sample.text for sample in samples)
            for _, samples in self._samples(completions)
        ]

    def score(self, model: PreTrainedModel) -> SplitScores:
        """Generate, score, and sum up.

        Raises GenerationFailed when the model yields NaN.
        """
        completions = self.completions(model)
        tokens = sum(completion.tokens for completion in completions)
        return summary(self.item_scores(completions), tokens, self.texts(completions))

    def _samples(
        self, completions: Sequence[Completion]
    ) -> Iterator[tuple[Item, Sequence[Completion]]]:
        """Each item with its completions."""
        samples = self.task.generation.samples
        starts = range(0, len(completions), samples)
        for item, start in zip(self.items, starts, strict=True):
            yield item, completions[start : start + samples]


class Prepared(Protocol):
    """A split of any task, ready to be scored for one candidate after the other."""

    @property
    def items(self) -> tuple[Item, ...]: ...

    def part(self, places: Sequence[int]) -> Prepared: ...

    def score(self, model: PreTrainedModel) -> SplitScores: ...


def prepared(
    task: Task | LikelihoodTask,
    split: Split,
    tokenizer: PreTrainedTokenizerBase,
    *,
    limit: int | None = None,
    chat: Chat | None = None,
) -> Prepared:
    """A split of a task, its first `limit` items, for one tokenizer."""
    if isinstance(task, LikelihoodTask):
        return PreparedLikelihoods(task, split, tokenizer, limit=limit, chat=chat)
    return PreparedTask(task, split, tokenizer, limit=limit, chat=chat)


def score(model: PreTrainedModel, prepared: PreparedTask) -> list[ItemScore]:
    """Every item's score, in item order."""
    return prepared.item_scores(prepared.completions(model))
