"""What a benchmark is: items, how an answer is generated, and how it is scored."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

Split = Literal["search", "select", "holdout"]
SPLITS: tuple[Split, ...] = ("search", "select", "holdout")


@dataclass(frozen=True)
class Item:
    """One benchmark question.

    `id` is stable for ever: item scores of two trials are compared by it. `question` is what is
    asked, without the words around it that say how to answer; empty where a task has its prompt
    alone. `solution` is a worked answer, as it would follow the prompt; empty where there is none.
    """

    id: str
    prompt: str
    reference: str
    question: str = ""
    solution: str = ""


@dataclass(frozen=True)
class GenerationSettings:
    """How text is written, until a stop string, an end token, or `max_new_tokens` tokens.

    At temperature 0 greedily. Above it tokens are drawn, from the likeliest that together have
    probability `top_p`; every item is answered `samples` times. A sample depends on `seed`, its
    item's id and its own number, not on how completions are batched.

    Raises ValueError for numbers outside their ranges.
    """

    max_new_tokens: int
    stop: tuple[str, ...] = ()
    temperature: float = 0.0
    top_p: float = 1.0
    samples: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:
            raise ValueError(f"temperature must be a finite number from 0 on: {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be above 0 and at most 1: {self.top_p}")
        if self.samples < 1:
            raise ValueError(f"samples must be at least 1: {self.samples}")


@dataclass(frozen=True)
class Completion:
    """What a model wrote after the prompt, cut before the first stop string.

    `truncated` says that `max_new_tokens` ran out before the model ended by itself.
    `tokens` counts the generated tokens, the ending one included.
    """

    text: str
    truncated: bool
    tokens: int


@dataclass(frozen=True)
class Likelihood:
    """What a model makes of a given text: its log-likelihood in nats, and whether the model would
    have written it greedily."""

    log: float
    greedy: bool


@dataclass(frozen=True)
class ItemScore:
    """What one completion is worth, or the samples of one item together.

    `value` is the metric in [0, 1], language gate included; the other fields say why it is
    what it is. `failures` names how programs failed that were to answer, one name a program.
    """

    value: float
    correct: bool
    language_ok: bool
    truncated: bool
    no_answer: bool
    failures: tuple[str, ...] = ()


class Task(Protocol):
    """A benchmark with three disjoint splits.

    `items(split)` returns the same items in the same order for ever. `score` is pure, and so is
    `answer`: what a completion answers, in a spelling that equal answers share, None where it
    answers nothing. Votes are counted by it.
    """

    @property
    def name(self) -> str: ...

    @property
    def generation(self) -> GenerationSettings: ...

    def items(self, split: Split) -> Sequence[Item]: ...

    def score(self, item: Item, completion: Completion) -> ItemScore: ...

    def answer(self, item: Item, completion: Completion) -> str | None: ...


@runtime_checkable
class LikelihoodTask(Protocol):
    """A benchmark that asks how likely given texts are, and generates none.

    `texts` are pairs of a context and a continuation, one or more an item. `judge` is pure; it gets
    their likelihoods in the same order.
    """

    @property
    def name(self) -> str: ...

    def items(self, split: Split) -> Sequence[Item]: ...

    def texts(self, item: Item) -> Sequence[tuple[str, str]]: ...

    def judge(self, item: Item, likelihoods: Sequence[Likelihood]) -> ItemScore: ...
