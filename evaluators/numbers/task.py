"""Number understanding as tasks: prompts, splits and scores of the 41 pairs.

Splits are disjoint: the operands of a problem, in either order, belong to one split by a hash that
depends on neither the seed nor the task, so that no task shows the operands of another's holdout.
Bands take turns in every split, so that its first items are a sample of all lengths.
"""

from __future__ import annotations

import functools
import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

from evaluators.numbers.generation import Problem, draw
from evaluators.numbers.metrics import compare, read_number
from evaluators.numbers.pairs import (
    BANDS,
    ITEMS_A_BAND,
    PAIRS,
    Band,
    Operation,
    Pair,
    Representation,
)
from evaluators.splits import split_of
from evaluators.task import Completion, GenerationSettings, Item, ItemScore, Split


@dataclass(frozen=True)
class NumberTask:
    """A `Task` of one pair, scored by one of `METRICS`; `correct` is the exact match always."""

    pair: Pair
    seed: int = 0
    metric: str = "exact_match"

    @property
    def name(self) -> str:
        return self.pair.name

    @property
    def generation(self) -> GenerationSettings:
        """Room for the longest answer, a token a digit, and a few words around it."""
        longest = self.pair.bands["XL"][1]
        if self.pair.operation in _SHORT_ANSWERS:
            digits = 3
        else:
            digits = longest * (4 if longest <= 20 else 2)
        return GenerationSettings(max_new_tokens=digits + 12, stop=("\n",))

    def items(self, split: Split) -> Sequence[Item]:
        return _items(self.pair.name, self.seed, split)

    def score(self, item: Item, completion: Completion) -> ItemScore:
        """The metric of the number found in the completion (see metrics.py)."""
        answer = read_number(completion.text, self.pair.answers_in)
        scores = compare(answer, item.reference, self.pair.answers_in)
        return ItemScore(
            value=float(getattr(scores, self.metric)),
            correct=scores.exact_match == 1,
            language_ok=True,
            truncated=completion.truncated,
            no_answer=answer is None,
        )

    def answer(self, item: Item, completion: Completion) -> str | None:
        """The number found, digit for digit."""
        return read_number(completion.text, self.pair.answers_in)


def question(pair: Pair, problem: Problem) -> str:
    """The problem with the words that say what is asked."""
    told = _QUESTIONS[pair.operation].format(a=problem.first, b=problem.second)
    if pair.representation == "float" and pair.operation in _ALIGNED:
        told = told.replace(":", _ALIGNED[pair.operation], 1)
    return told


@functools.lru_cache(maxsize=128)
def _items(name: str, seed: int, split: Split) -> tuple[Item, ...]:
    pair = PAIRS[name]
    rng = random.Random(f"{name} {seed} {split}")
    seen: set[str] = set()
    return tuple(
        _item(pair, split, band, _new_problem(pair, split, band, rng, seen))
        for _ in range(ITEMS_A_BAND[split])
        for band in BANDS
    )


def _new_problem(
    pair: Pair, split: Split, band: Band, rng: random.Random, seen: set[str]
) -> Problem:
    while True:
        problem = draw(pair, rng.randint(*pair.bands[band]), rng)
        if problem.key not in seen and split_of(problem.key) == split:
            seen.add(problem.key)
            return problem


def _item(pair: Pair, split: Split, band: Band, problem: Problem) -> Item:
    asked = f"{_HINTS[pair.answers_in]}\n{question(pair, problem)}"
    digest = hashlib.blake2b(f"{problem.first} {problem.second}".encode(), digest_size=6)
    return Item(
        id=f"{pair.name}-{split}-{band}-{digest.hexdigest()}",
        prompt=f"{asked} =",
        reference=problem.answer,
        question=asked,
    )


_SHORT_ANSWERS: frozenset[Operation] = frozenset({"get_digit", "length", "count"})
_HINTS: dict[Representation, str] = {
    "integer": "Answer with an integer without separators, such as 123.",
    "float": "Answer with a decimal number without separators, such as 10.4.",
    "fraction": "Answer with an irreducible fraction, such as 7/13.",
    "scientific": "Answer in scientific notation with one digit before the point, such as 1.23e4.",
}
_QUESTIONS: dict[Operation, str] = {
    "add": "The sum of the two numbers: {a} + {b}",
    "sub": "The difference of the two numbers: {a} - {b}",
    "multiply": "The product of the two numbers: {a} * {b}",
    "truediv": "The quotient of the two numbers as a fraction: ({a}) / ({b})",
    "floordiv": "The whole part of the quotient: {a} // {b}",
    "mod": "The remainder of the division: {a} % {b}",
    "max": "The larger of the two numbers: max({a}, {b})",
    "min": "The smaller of the two numbers: min({a}, {b})",
    "digit_max": "The larger digit at each place, missing digits being 0: {a} and {b}",
    "digit_min": "The smaller digit at each place, missing digits being 0: {a} and {b}",
    "digit_add": "The sum modulo 10 of the digits at each place without carrying, missing digits "
    "being 0: {a} and {b}",
    "get_digit": "The digit at a position, from the left and starting at 0: {a} at position {b}",
    "length": "The number of digits: {a}",
    "count": "How many times a digit occurs in a number: {b} in {a}",
    "to_float": "The number as a decimal: {a}",
    "to_scient": "The number in scientific notation: {a}",
    "sig": "The number in scientific notation, rounded to {b} significant figures: {a}",
}
_ALIGNED: dict[Operation, str] = {
    "digit_max": ", aligned at the decimal points:",
    "digit_min": ", aligned at the decimal points:",
    "digit_add": ", aligned at the decimal points:",
    "get_digit": ", not counting the decimal point:",
    "length": ", not counting the decimal point:",
}
