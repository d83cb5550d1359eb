"""Additions of 7 to 9 digits with eight examples, with and without digit grouping.

After "Tokenization counts: the impact of tokenization on arithmetic in frontier LLMs" (arXiv
2402.14903): a tokenizer that chunks digits from the left makes additions hard whose answer is
longer than the operands; commas put in from the right align the chunks. `arithmetic` writes
`1234567+7654321=`, `arithmetic_grouped` writes `1,234,567+7,654,321=`, examples and answers alike;
both ask the same problems in the same order, so that their scores pair up.

Each of the nine pairs of operand lengths takes its turn. The examples of a problem have operands of
its lengths, and belong to no split.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evaluators.cards import EXACT_MATCH, TaskCard
from evaluators.task import Completion, GenerationSettings, Item, ItemScore, Split

Grouping = Literal["none", "from_right"]

SHOTS = 8
LENGTHS = (7, 8, 9)
ITEMS_A_PAIR_OF_LENGTHS: dict[Split, int] = {"search": 20, "select": 30, "holdout": 60}
# Cumulated shares of additions, in percent.
_SHARES: tuple[tuple[int, Split | Literal["examples"]], ...] = (
    (10, "examples"),
    (40, "search"),
    (60, "select"),
    (100, "holdout"),
)


@dataclass(frozen=True)
class Arithmetic:
    """A `Task`: the sum, whose digits count and whose separators do not."""

    grouping: Grouping = "none"
    seed: int = 0

    @property
    def name(self) -> str:
        return "arithmetic" if self.grouping == "none" else "arithmetic_grouped"

    @property
    def generation(self) -> GenerationSettings:
        """Room for ten digits and three separators, a token each."""
        return GenerationSettings(max_new_tokens=16, stop=("\n",))

    def items(self, split: Split) -> Sequence[Item]:
        return _items(self.name, self.grouping, self.seed, split)

    def score(self, item: Item, completion: Completion) -> ItemScore:
        """One point for the right sum: the first number written, separators removed."""
        answer = self.answer(item, completion)
        correct = answer == item.reference
        return ItemScore(
            value=float(correct),
            correct=correct,
            language_ok=True,
            truncated=completion.truncated,
            no_answer=answer is None,
        )

    def answer(self, item: Item, completion: Completion) -> str | None:
        """The first number's digits."""
        match = _SUM.match(completion.text)
        return None if match is None else match.group(1).replace(",", "")


def cards() -> list[TaskCard]:
    """What is told of the two tasks."""
    pairs = len(LENGTHS) ** 2
    return [
        TaskCard(
            name=name,
            summary=f"Additions of 7 to 9 digits, {SHOTS} examples each, digits {written}, "
            "generated after arXiv 2402.14903",
            languages=(),
            licence="Apache-2.0",
            splits={split: pairs * count for split, count in ITEMS_A_PAIR_OF_LENGTHS.items()},
            metrics=(EXACT_MATCH,),
        )
        for name, written in (
            ("arithmetic", "not grouped"),
            ("arithmetic_grouped", "in groups of three from the right"),
        )
    ]


def grouped(number: int) -> str:
    """A number with a comma before every third digit from the right."""
    return f"{number:,}"


_SUM = re.compile(r"\s*(\d+(?:,\d+)*)(?![\d.,/]*\d)")


@functools.lru_cache(maxsize=32)
def _items(name: str, grouping: Grouping, seed: int, split: Split) -> tuple[Item, ...]:
    rng = random.Random(f"arithmetic {seed} {split}")
    write = grouped if grouping == "from_right" else str
    seen: set[tuple[int, int]] = set()
    items = []
    for _ in range(ITEMS_A_PAIR_OF_LENGTHS[split]):
        for lengths in itertools.product(LENGTHS, repeat=2):
            a, b = _draw(lengths, split, rng)
            while (a, b) in seen or (b, a) in seen:
                a, b = _draw(lengths, split, rng)
            seen.add((a, b))
            examples = [_draw(lengths, "examples", rng) for _ in range(SHOTS)]
            lines = [f"{write(x)}+{write(y)}={write(x + y)}\n" for x, y in examples]
            asked = f"{write(a)}+{write(b)}="
            items.append(Item(f"{name}-{split}-{a}+{b}", "".join(lines) + asked, str(a + b), asked))
    return tuple(items)


def _draw(
    lengths: tuple[int, ...], part: Split | Literal["examples"], rng: random.Random
) -> tuple[int, int]:
    while True:
        a, b = (rng.randint(10 ** (length - 1), 10**length - 1) for length in lengths)
        if _part_of(a, b) == part:
            return a, b


def _part_of(a: int, b: int) -> Split | Literal["examples"]:
    """The part that an addition belongs to, in either order, for every seed."""
    text = f"{min(a, b)}+{max(a, b)}"
    place = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) % 100
    return next(part for limit, part in _SHARES if place < limit)
