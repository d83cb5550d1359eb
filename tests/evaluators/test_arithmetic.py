"""Additions with and without grouped digits: the same problems, disjoint splits, right examples."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from evaluators.arithmetic import SHOTS, Arithmetic, cards, grouped
from evaluators.task import SPLITS, Completion, Task


def additions(prompt: str) -> list[tuple[int, int, int]]:
    """Operands and sum of every worked line."""
    return [
        (int(a), int(b), int(c))
        for a, b, c in re.findall(r"^(\d+)\+(\d+)=(\d+)$", prompt.replace(",", ""), re.MULTILINE)
    ]


@pytest.mark.parametrize("grouping", ["none", "from_right"])
def test_contract(grouping: str) -> None:
    task: Task = Arithmetic("none" if grouping == "none" else "from_right")
    (told,) = (card for card in cards() if card.name == task.name)
    asked: Counter[frozenset[int]] = Counter()
    for split in SPLITS:
        items = task.items(split)
        assert told.splits is not None
        assert len(items) == told.splits[split]
        assert items == task.items(split)
        assert len({item.id for item in items}) == len(items)
        lengths: Counter[tuple[int, int]] = Counter()
        for item in items:
            examples = additions(item.prompt)
            assert len(examples) == SHOTS
            a, b = (int(x) for x in item.question.replace(",", "").rstrip("=").split("+"))
            assert all(x + y == z for x, y, z in examples)
            assert {(len(str(x)), len(str(y))) for x, y, _ in examples} == {
                (len(str(a)), len(str(b)))
            }
            lengths[len(str(a)), len(str(b))] += 1
            assert item.prompt.endswith(item.question)
            assert int(item.reference) == a + b
            assert frozenset((a, b)) not in {frozenset((x, y)) for x, y, _ in examples}
            asked[frozenset((a, b))] += 1
        assert len(lengths) == 9
        assert len(set(lengths.values())) == 1
    assert set(asked.values()) == {1}


def test_both_tasks_ask_the_same() -> None:
    plain, with_commas = Arithmetic(), Arithmetic("from_right")
    for split in SPLITS:
        for a, b in zip(plain.items(split), with_commas.items(split), strict=True):
            assert a.prompt == b.prompt.replace(",", "")
            assert a.reference == b.reference
            assert a.id.partition("-")[2] == b.id.partition("-")[2]
    assert grouped(1234567) == "1,234,567"
    assert plain.items("search")[0].id.startswith("arithmetic-search-")
    assert with_commas.items("search")[0].id.startswith("arithmetic_grouped-search-")
    assert plain.items("search") != Arithmetic(seed=1).items("search")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("12345678", "12345678"),
        (" 12,345,678", "12345678"),
        ("12345678.", "12345678"),
        ("12345678.5", None),
        ("12345678/2", None),
        ("x", None),
        ("", None),
    ],
)
def test_what_is_read(text: str, answer: str | None) -> None:
    task = Arithmetic()
    item = task.items("search")[0]
    assert task.answer(item, Completion(text, False, 1)) == answer
    assert task.score(item, Completion(text, True, 1)).no_answer == (answer is None)


def test_scores() -> None:
    task = Arithmetic("from_right")
    item = task.items("holdout")[0]
    right = task.score(item, Completion(grouped(int(item.reference)), False, 9))
    assert (right.value, right.correct) == (1, True)
    wrong = task.score(item, Completion(grouped(int(item.reference) + 1), False, 9))
    assert (wrong.value, wrong.correct, wrong.no_answer) == (0, False, False)
