"""How likely a model finds the worked solutions of a task: a fitness where accuracy is still zero.

What users read is bits per character of the solution, -log2 P(solution | prompt) / characters, as
in "Exploring the Limits of Language Modeling" (arXiv 1602.02410), which a tokenizer does not change
by how it cuts a text. An item's score has to lie in [0, 1] and grow with ability, so it is
2^-bits: the probability that a character gets, geometrically averaged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from evaluators.errors import UnsupportedTask
from evaluators.task import Item, ItemScore, Likelihood, Split, Task


@dataclass(frozen=True)
class TargetLikelihood:
    """A `LikelihoodTask` on the prompts and the worked solutions of another task."""

    task: Task

    @property
    def name(self) -> str:
        return self.task.name

    def items(self, split: Split) -> Sequence[Item]:
        """Items of the task. Raises UnsupportedTask where one has no worked solution."""
        items = self.task.items(split)
        bare = next((item.id for item in items if not item.solution.strip()), None)
        if bare is not None:
            raise UnsupportedTask(f"{self.name}: item {bare} of {split} has no worked solution")
        return items

    def texts(self, item: Item) -> Sequence[tuple[str, str]]:
        """The prompt, and the solution after it."""
        return [(item.prompt, item.solution)]

    def judge(self, item: Item, likelihoods: Sequence[Likelihood]) -> ItemScore:
        """The geometric mean of a character's probability; correct if greedily written."""
        (likelihood,) = likelihoods
        return ItemScore(
            value=2 ** -bits_per_char(likelihood, item.solution),
            correct=likelihood.greedy,
            language_ok=True,
            truncated=False,
            no_answer=False,
        )


def bits_per_char(likelihood: Likelihood, text: str) -> float:
    """Bits that a character of `text` costs, given the likelihood of all of it."""
    return -likelihood.log / math.log(2) / len(text)
