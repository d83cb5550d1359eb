"""Several samples of one item, and the vote that decides between them.

Self-consistency (Wang et al., arXiv 2203.11171): the answer that most samples give. Weighted votes
(Zhou et al., arXiv 2308.07921): the answer a with the greatest sum of w_i over the samples i that
give a. A sample without an answer has no vote.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from evaluators.task import Completion, GenerationSettings, Item, ItemScore, Split, Task


@dataclass(frozen=True)
class Vote:
    """An answer, in a spelling that equal answers share, and its weight, 0 or more."""

    answer: str
    weight: float = 1.0


def winner(votes: Sequence[Vote]) -> str | None:
    """The answer of the greatest weight; None without votes.

    Of answers with the same weight the one with more votes, then the shorter text, then the first
    in alphabetical order: the order of the votes never counts.
    """
    by_answer: dict[str, list[float]] = {}
    for vote in votes:
        by_answer.setdefault(vote.answer, []).append(vote.weight)
    ranked = sorted(by_answer, key=lambda answer: (len(answer), answer))
    # fsum rounds once, whatever the order; of equals max takes the first.
    return max(
        ranked,
        key=lambda answer: (math.fsum(by_answer[answer]), len(by_answer[answer])),
        default=None,
    )


@runtime_checkable
class Weighing(Protocol):
    """A task that says how much a completion's vote counts; all others count them alike."""

    def weight(self, item: Item, completion: Completion) -> float: ...


def elected(task: Task, item: Item, samples: Sequence[Completion]) -> str | None:
    """The answer that the samples of an item vote for; None where none of them answers."""
    return _winner(task, item, samples, [task.answer(item, sample) for sample in samples])


def score_samples(task: Task, item: Item, samples: Sequence[Completion]) -> ItemScore:
    """The score of an item, of which there is at least one sample.

    It is that of the first sample that gives the winning answer; without a vote, of the first
    sample. Its failures are those of all samples.
    """
    if len(samples) == 1:
        return task.score(item, samples[0])
    answers = [task.answer(item, sample) for sample in samples]
    chosen = answers.index(_winner(task, item, samples, answers))
    scores = [task.score(item, sample) for sample in samples]
    failures = tuple(failure for score in scores for failure in score.failures)
    return replace(scores[chosen], failures=failures)


@dataclass(frozen=True)
class Sampled:
    """A `Task` whose items another task answers several times, at a temperature."""

    task: Task
    samples: int
    temperature: float
    top_p: float = 1.0
    seed: int = 0

    @property
    def name(self) -> str:
        return self.task.name

    @property
    def generation(self) -> GenerationSettings:
        return replace(
            self.task.generation,
            samples=self.samples,
            temperature=self.temperature,
            top_p=self.top_p,
            seed=self.seed,
        )

    def items(self, split: Split) -> Sequence[Item]:
        return self.task.items(split)

    def score(self, item: Item, completion: Completion) -> ItemScore:
        return self.task.score(item, completion)

    def answer(self, item: Item, completion: Completion) -> str | None:
        return self.task.answer(item, completion)

    def weight(self, item: Item, completion: Completion) -> float:
        """The task's own weight, 1 without one."""
        weigh = self.task.weight if isinstance(self.task, Weighing) else _alike
        return weigh(item, completion)


def _winner(
    task: Task, item: Item, samples: Sequence[Completion], answers: Sequence[str | None]
) -> str | None:
    weigh = task.weight if isinstance(task, Weighing) else _alike
    return winner(
        [
            Vote(answer, weigh(item, sample))
            for sample, answer in zip(samples, answers, strict=True)
            if answer is not None
        ]
    )


def _alike(_item: Item, _completion: Completion) -> float:
    return 1.0
