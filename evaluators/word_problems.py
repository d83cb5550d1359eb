"""Word problems of one to three steps, in Japanese and in English, generated from a seed.

What is disjoint: every wording (name, thing, sequence of events, question) and every number tuple
(start and sequence of operations with operands) belongs to exactly one of train, search, select and
holdout, chosen by a hash that does not depend on the seed. A problem is told only when both its
wording and its numbers belong to the split, so two splits share neither a text nor a wording nor a
computation. Single facts (such as 12+7=19) are not kept apart. The Japanese and the English task
tell the same stories in the same order.
"""

from __future__ import annotations

import functools
import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from evaluators.answers import parse_number
from evaluators.language import looks_english, looks_japanese
from evaluators.task import Completion, GenerationSettings, Item, ItemScore, Split
from evaluators.word_problems_wording import (
    EVENTS,
    NAMES,
    QUESTIONS,
    THINGS,
    Language,
    Numbers,
    Operation,
    Wording,
    problem,
    prompt,
    solution,
)

Part = Literal["train", "search", "select", "holdout"]

ITEM_COUNTS: dict[Split, int] = {"search": 256, "select": 400, "holdout": 1200}
MAX_STEPS = 3
MAX_START = 30
MAX_ADDEND = 20
FACTORS: tuple[int, ...] = (2, 3)
MAX_VALUE = 99

# Cumulated shares of wordings and of number tuples, in percent.
_SHARES: tuple[tuple[int, Part], ...] = (
    (70, "train"),
    (79, "search"),
    (88, "select"),
    (100, "holdout"),
)
_OPERATIONS: tuple[Operation, ...] = ("+", "-", "×")
_EVENTS_OF: dict[Operation, tuple[int, ...]] = {
    operation: tuple(i for i, event in enumerate(EVENTS) if event.operation == operation)
    for operation in _OPERATIONS
}


@dataclass(frozen=True)
class WordProblems:
    """A `Task`: answer with worked equations and a final answer, in the question's language."""

    language: Language
    seed: int = 0

    @property
    def name(self) -> str:
        return f"word_problems_{self.language}"

    @property
    def generation(self) -> GenerationSettings:
        """Room for the longest worked solution, in words and digits, and a little more."""
        return GenerationSettings(max_new_tokens=36, stop=("\n",))

    def items(self, split: Split) -> Sequence[Item]:
        return _items(self.language, self.seed, split)

    def score(self, item: Item, completion: Completion) -> ItemScore:
        """One point for the right final number, told in the question's language."""
        answer = parse_number(completion.text)
        correct = answer is not None and answer == Fraction(item.reference)
        in_language = looks_japanese if self.language == "ja" else looks_english
        language_ok = in_language(completion.text)
        return ItemScore(
            value=float(correct and language_ok),
            correct=correct,
            language_ok=language_ok,
            truncated=completion.truncated,
            no_answer=answer is None,
        )

    def answer(self, item: Item, completion: Completion) -> str | None:
        """The final number, as an exact fraction."""
        number = parse_number(completion.text)
        return None if number is None else str(number)


@dataclass(frozen=True)
class Document:
    """A problem with its worked solution; the text a model is trained on is their sum."""

    question: str
    prompt: str
    solution: str


def documents(language: Language, rng: random.Random) -> Iterator[Document]:
    """Endless problems of the train part, drawn from `rng`."""
    while True:
        wording, numbers = draw("train", rng)
        yield _tell(wording, numbers, language)


def draw(part: Part, rng: random.Random) -> tuple[Wording, Numbers]:
    """A story of one part of the split."""
    numbers = draw_numbers(rng)
    while part_of(numbers) != part:
        numbers = draw_numbers(rng)
    wording = _draw_wording(numbers, rng)
    while part_of(wording) != part:
        wording = _draw_wording(numbers, rng)
    return wording, numbers


def draw_numbers(rng: random.Random) -> Numbers:
    """A computation whose every value lies in 1..`MAX_VALUE`, of any part of the split."""
    value = start = rng.randint(2, MAX_START)
    steps: list[tuple[Operation, int]] = []
    for _ in range(rng.randint(1, MAX_STEPS)):
        operation = rng.choice(_OPERATIONS)
        # A step that would leave the range becomes one that cannot.
        if operation == "×" and value * min(FACTORS) > MAX_VALUE:
            operation = "-"
        if operation == "+" and value == MAX_VALUE:
            operation = "-"
        if operation == "-" and value == 1:
            operation = "+"
        if operation == "+":
            operand = rng.randint(1, min(MAX_ADDEND, MAX_VALUE - value))
            value += operand
        elif operation == "-":
            operand = rng.randint(1, min(MAX_ADDEND, value - 1))
            value -= operand
        else:
            operand = rng.choice([f for f in FACTORS if value * f <= MAX_VALUE])
            value *= operand
        steps.append((operation, operand))
    return Numbers(start, tuple(steps))


@functools.lru_cache(maxsize=1 << 17)
def part_of(key: Wording | Numbers) -> Part:
    """The part that a wording or a number tuple belongs to, for every seed and for ever."""
    if isinstance(key, Wording):
        text = f"wording {key.name} {key.thing} {key.events} {key.question}"
    else:
        text = f"numbers {key.start} {key.steps}"
    place = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) % 100
    return next(part for limit, part in _SHARES if place < limit)


def _draw_wording(numbers: Numbers, rng: random.Random) -> Wording:
    return Wording(
        name=rng.randrange(len(NAMES)),
        thing=rng.randrange(len(THINGS)),
        events=tuple(rng.choice(_EVENTS_OF[operation]) for operation, _ in numbers.steps),
        question=rng.randrange(len(QUESTIONS)),
    )


def _tell(wording: Wording, numbers: Numbers, language: Language) -> Document:
    question = problem(wording, numbers, language)
    return Document(question, prompt(question, language), solution(wording, numbers, language))


@functools.lru_cache(maxsize=64)
def _items(language: Language, seed: int, split: Split) -> tuple[Item, ...]:
    rng = random.Random(f"word problems {seed} {split}")
    stories: dict[tuple[Wording, Numbers], None] = {}
    while len(stories) < ITEM_COUNTS[split]:
        stories.setdefault(draw(split, rng))
    items = []
    for wording, numbers in stories:
        told = _tell(wording, numbers, language)
        digest = hashlib.blake2b(told.prompt.encode(), digest_size=6).hexdigest()
        items.append(
            Item(
                id=f"wp{language}-{split}-{digest}",
                prompt=told.prompt,
                reference=str(numbers.values()[-1]),
                question=told.question,
                solution=told.solution,
            )
        )
    return tuple(items)
