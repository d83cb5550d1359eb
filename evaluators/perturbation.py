"""Word problems with other numbers: a check against remembered answers.

After InfinityMATH (arXiv 2408.07089) and its GSM8K+, whose sampling rules are not published; these
are ours. The numbers of a question are drawn anew, the solution's equations are evaluated with
them, and the last one gives the new answer. A variant keeps what the text may imply: digits,
decimals and trailing zeros of every number, the order of the numbers, whole and positive values
wherever the original has them, values below 1 below 1. Its answer differs from the original's.

An item is left out where a change could contradict its text or its solution (`LEFT_OUT` lists the
reasons): every number of the equations must be a number of the question, the result of exactly one
earlier equation, or a constant that the question's words explain (dozen, hour, percent), and every
number of the question must be used. A small number that the equations use more often than the
question names it may stand for something unsaid ("there and back"), and a constant may have been
calculated without an equation ("joined by 2 more" triples). Numbers inside dates, times,
fractions, ordinals and rates of time ("5 days a week") stay.
"""

from __future__ import annotations

import functools
import itertools
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from evaluators.equations import Equation, equations, evaluate
from evaluators.gsm8k import PLAIN, Problem, gsm8k_parts, read_problems, settings
from evaluators.implied_numbers import implied_numbers, percentages
from evaluators.jsonl import JsonlTask
from evaluators.task import Item

VARIANTS = 3
LEFT_OUT = (
    "no equations in the grammar",
    "an equation is rounded",
    "the last equation is not the answer",
    "a number of the question is also a result",
    "a number of the question is not used",
    "a number could be two things",
    "a number of the solution is unexplained",
    "no number can change",
    "no variant keeps what is implied",
)
_TRIES = 300
# Numbers up to this one are often in a solution for what a question leaves unsaid.
_COMMON = 12


class Unsafe(ValueError):
    """An item that cannot be perturbed; the message is one of `LEFT_OUT`."""


@dataclass(frozen=True)
class Perturbed:
    """Variants by the original's number, and how many originals were left out, by reason."""

    variants: Mapping[int, tuple[Variant, ...]]
    left_out: Mapping[str, int]


@dataclass(frozen=True)
class Variant:
    """A question with other numbers, and its answer."""

    question: str
    answer: Fraction


def read_gsm8k_perturbed(tasks_dir: Path) -> JsonlTask:
    """Variants of GSM8K's test items, each in the split of its original.

    The id of a variant is the original's with `-v1` to `-v3`. Raises TaskDataError.
    """
    perturbed = perturb_all(read_problems(tasks_dir / "gsm8k" / "test.jsonl"))
    by_number = {
        number: tuple(_item(number, place, variant) for place, variant in enumerate(variants, 1))
        for number, variants in perturbed.variants.items()
    }
    parts = {
        split: tuple(item for first in items for item in by_number[int(first.id.split("-")[2])])
        for split, items in gsm8k_parts({n: items[0] for n, items in by_number.items()}).items()
    }
    return JsonlTask("gsm8k_perturbed", settings(PLAIN, None), parts)


@functools.lru_cache(maxsize=2)
def perturb_all(problems: tuple[Problem, ...]) -> Perturbed:
    """`VARIANTS` variants of every problem that has so many; the others are counted."""
    variants: dict[int, tuple[Variant, ...]] = {}
    left_out: Counter[str] = Counter()
    for problem in problems:
        try:
            variants[problem.number] = perturb(problem)
        except Unsafe as reason:
            left_out[str(reason)] += 1
    return Perturbed(variants, left_out)


def perturb(problem: Problem) -> tuple[Variant, ...]:
    """Variants that differ from each other; the same ones for ever. Raises Unsafe."""
    plan = _Plan.of(problem)
    variants: list[Variant] = []
    for number in range(1, VARIANTS + 1):
        rng = random.Random(f"{problem.id} {problem.question} {number}")
        drawn = (plan.draw(rng) for _ in range(_TRIES))
        new = next((v for v in drawn if v is not None and v not in variants), None)
        if new is None:
            raise Unsafe("no variant keeps what is implied")
        variants.append(new)
    return tuple(variants)


def _item(number: int, place: int, variant: Variant) -> Item:
    prompt = PLAIN.template.replace("{question}", variant.question)
    item_id = f"gsm8k-test-{number:04d}-v{place}"
    return Item(item_id, prompt, str(variant.answer), variant.question)


@dataclass(frozen=True)
class _Mention:
    """A number in the question; `free` says that its text alone allows another one there."""

    start: int
    end: int
    text: str
    value: Fraction
    free: bool


@dataclass(frozen=True)
class _Plan:
    """What may change in a problem, and what follows from it.

    `sources` says for each equation where its numbers come from: an earlier equation's place, or
    the value that they have in the original.
    """

    question: str
    mentions: tuple[_Mention, ...]
    free: frozenset[Fraction]
    chain: tuple[Equation, ...]
    sources: tuple[tuple[int | Fraction, ...], ...]

    @classmethod
    def of(cls, problem: Problem) -> _Plan:
        """Raises Unsafe."""
        mentions = tuple(_mentions(problem.question))
        values = {mention.value for mention in mentions}
        implied = implied_numbers(problem.question)
        chain = _chain(problem, values)
        results = [equation.result for equation in chain]
        if values & set(results):
            raise Unsafe("a number of the question is also a result")
        fixed = {m.value for m in mentions if not m.free} | (values & implied)
        free = frozenset(values - fixed)
        explained = implied | fixed | percentages(fixed)
        sources = tuple(
            tuple(_source(number, results[:place], free, explained) for number in equation.numbers)
            for place, equation in enumerate(chain)
        )
        uses = Counter(number for equation in chain for number in equation.numbers)
        named = Counter(mention.value for mention in mentions)
        if any(v <= _COMMON and uses[v] > named[v] for v in free):
            raise Unsafe("a number could be two things")
        if any(not uses[v] and not percentages({v}) & uses.keys() for v in values):
            raise Unsafe("a number of the question is not used")
        if not free:
            raise Unsafe("no number can change")
        return cls(problem.question, mentions, free, chain, sources)

    def draw(self, rng: random.Random) -> Variant | None:
        """New numbers; None where they break what the original implies."""
        new = {value: value for value in {m.value for m in self.mentions}}
        for mention in self.mentions:
            if mention.value in self.free and new[mention.value] == mention.value:
                new[mention.value] = _redrawn(mention, rng)
        if not _same_order(new):
            return None
        results: list[Fraction] = []
        for equation, sources in zip(self.chain, self.sources, strict=True):
            numbers = [results[s] if isinstance(s, int) else new.get(s, s) for s in sources]
            try:
                result = evaluate(equation, numbers)
            except ValueError:
                return None
            if not _alike(result, equation.result):
                return None
            results.append(result)
        if results[-1] == self.chain[-1].result:
            return None
        return Variant(self._told(new), results[-1])

    def _told(self, new: Mapping[Fraction, Fraction]) -> str:
        text, end = "", 0
        for mention in self.mentions:
            text += self.question[end : mention.start] + _written(mention, new[mention.value])
            end = mention.end
        return text + self.question[end:]


def _chain(problem: Problem, values: set[Fraction]) -> tuple[Equation, ...]:
    """The equations that calculate something; `<<20=20>>` only repeats a number of the question."""
    try:
        found = equations(problem.solution)
    except ValueError:
        raise Unsafe("no equations in the grammar") from None
    chain = tuple(e for e in found if len(e.tokens) > 1 or e.numbers[0] not in values)
    if not chain:
        raise Unsafe("no equations in the grammar")
    if any(evaluate(equation, equation.numbers) != equation.result for equation in chain):
        raise Unsafe("an equation is rounded")
    if chain[-1].result != problem.reference:
        raise Unsafe("the last equation is not the answer")
    return chain


def _source(
    number: Fraction,
    results: Sequence[Fraction],
    free: frozenset[Fraction],
    explained: set[Fraction],
) -> int | Fraction:
    """Where a number comes from: an earlier equation's place, or its own value. Raises Unsafe."""
    if number in results:
        if results.count(number) > 1 or number in explained:
            raise Unsafe("a number could be two things")
        return results.index(number)
    if number in free:
        return number
    if number not in explained:
        raise Unsafe("a number of the solution is unexplained")
    if number in _calculated_at_once(free):
        raise Unsafe("a number could be two things")
    return number


def _calculated_at_once(free: frozenset[Fraction]) -> set[Fraction]:
    """What a solution may calculate from the numbers that change without writing it down."""
    return {
        number
        for a, b in itertools.product(free, free | {Fraction(1)})
        if a != b
        for number in (a + b, a - b, a * b, a / b)
    } - free


_NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
_TIME = r"(?:second|minute|hour|day|week|weekend|month|year)s?"
_STAYS_AFTER = re.compile(
    r"(?:[\w.,:/−-]|\b[Aa]n?\s|\b(?:at|by|until|till)\s"
    r"|\b(?:January|February|March|April|May|June|July|August|September|October|November|December)\s)$"
)
_STAYS_BEFORE = re.compile(
    r"\w|[/:−-]\d|[/:]|-\s?\d|\s?(?:[ap]\.?m\b|o'clock)"
    rf"|\s{_TIME}\s(?:(?:a|an|per|in|of|each|every|out of)\s)+(?:the\s|this\s|each\s)?{_TIME}\b"
)


def _mentions(question: str) -> Iterator[_Mention]:
    for match in _NUMBER.finditer(question):
        value = Fraction(match.group().replace(",", ""))
        free = (
            value > 1
            and _STAYS_AFTER.search(question[max(0, match.start() - 12) : match.start()]) is None
            and _STAYS_BEFORE.match(question, match.end()) is None
            and not _is_year(match.group())
            and not (value == 100 and question.startswith("%", match.end()))
        )
        yield _Mention(match.start(), match.end(), match.group(), value, free)


def _is_year(text: str) -> bool:
    return re.fullmatch(r"(?:19|20)\d\d", text) is not None


def _redrawn(mention: _Mention, rng: random.Random) -> Fraction:
    """Another number of the same digits, decimals and trailing zeros, and above 1."""
    digits = re.sub(r"\D", "", mention.text).lstrip("0")
    kept = digits.rstrip("0")
    least = 10 ** (len(kept) - 1) if len(kept) > 1 or len(digits) > 1 else 2
    scale = Fraction(10 ** (len(digits) - len(kept)), 10 ** _places(mention.text))
    while True:
        drawn = rng.randint(least, 10 ** len(kept) - 1)
        value = drawn * scale
        if drawn % 10 and value > 1 and value != mention.value:
            return value


def _places(text: str) -> int:
    return len(text.partition(".")[2])


def _written(mention: _Mention, value: Fraction) -> str:
    if value == mention.value:
        return mention.text
    places = _places(mention.text)
    digits = str((value * 10**places).numerator).zfill(places + 1)
    whole = digits[:-places] if places else digits
    whole = f"{int(whole):,}" if "," in mention.text else whole
    return f"{whole}.{digits[-places:]}" if places else whole


def _same_order(new: Mapping[Fraction, Fraction]) -> bool:
    drawn = [new[value] for value in sorted(new)]
    return all(a < b for a, b in itertools.pairwise(drawn))


def _alike(result: Fraction, original: Fraction) -> bool:
    """Whole, positive and below 1 wherever the original is."""
    return (
        (original.denominator > 1 or result.denominator == 1)
        and (original < 0 or result >= 0)
        and (original <= 0 or result > 0)
        and (original >= 1 or result < 1)
    )
