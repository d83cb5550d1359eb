"""Number tasks: 41 of them, fixed for ever, disjoint, balanced over lengths, scored by a metric."""

from __future__ import annotations

from collections import Counter

import pytest

from evaluators.numbers.pairs import BANDS, ITEMS_A_BAND, METRICS, PAIRS, card
from evaluators.numbers.task import NumberTask
from evaluators.task import SPLITS, Completion, Task

GOLDEN = {
    "numbers_integer_add": "numbers_integer_add-holdout-S-742831bf9014",
    "numbers_scientific_to_float": "numbers_scientific_to_float-holdout-S-4bf72b157bfd",
}


def test_the_41_pairs() -> None:
    assert len(PAIRS) == 41
    counts = Counter(pair.representation for pair in PAIRS.values())
    assert counts == {"integer": 16, "float": 12, "fraction": 7, "scientific": 6}
    assert len({pair.operation for pair in PAIRS.values()}) == 17


@pytest.mark.parametrize("name", PAIRS)
def test_contract(name: str) -> None:
    task: Task = NumberTask(PAIRS[name])
    assert task.name == name
    prompts: set[str] = set()
    operands: list[set[str]] = []
    for split in SPLITS:
        items = task.items(split)
        assert card(PAIRS[name]).splits == {s: 4 * n for s, n in ITEMS_A_BAND.items()}
        assert len(items) == 4 * ITEMS_A_BAND[split]
        assert Counter(item.id.split("-")[2] for item in items) == dict.fromkeys(
            BANDS, ITEMS_A_BAND[split]
        )
        assert items == NumberTask(PAIRS[name]).items(split)
        assert len({item.id for item in items}) == len(items)
        assert prompts.isdisjoint(item.prompt for item in items)
        prompts |= {item.prompt for item in items}
        operands.append({item.question for item in items})
        for item in items:
            assert item.question in item.prompt
            assert len(item.reference) + 4 < task.generation.max_new_tokens
            score = task.score(item, Completion(f" {item.reference}", False, 1))
            assert (score.value, score.correct, score.no_answer) == (1, True, False)
            assert task.answer(item, Completion(f" {item.reference}.", False, 1)) == item.reference


def test_items_never_change() -> None:
    assert {name: NumberTask(PAIRS[name]).items("holdout")[0].id for name in GOLDEN} == GOLDEN


def test_operands_of_one_task_are_in_no_other_split_of_another() -> None:
    used = {
        split: {
            frozenset(item.question.rpartition(": ")[2].split(f" {sign} "))
            for sign, operation in (("+", "add"), ("-", "sub"), ("*", "multiply"))
            for seed in (0, 1)
            for item in NumberTask(PAIRS[f"numbers_integer_{operation}"], seed).items(split)
        }
        for split in SPLITS
    }
    assert used["search"].isdisjoint(used["holdout"])
    assert used["select"].isdisjoint(used["search"] | used["holdout"])


def test_another_seed_gives_other_items() -> None:
    first, second = (
        NumberTask(PAIRS["numbers_float_sub"], seed).items("search") for seed in (0, 1)
    )
    assert {item.id for item in first}.isdisjoint(item.id for item in second)


def test_each_metric_is_the_value() -> None:
    pair = PAIRS["numbers_integer_add"]
    item = next(i for i in NumberTask(pair).items("search") if len(i.reference) == 4)
    text = f" 1{item.reference}"
    values = {m: NumberTask(pair, metric=m).score(item, Completion(text, True, 1)) for m in METRICS}
    assert {m: s.value for m, s in values.items()} == {
        "exact_match": 0,
        "digit_match": 1,
        "dlength": 0.5,
    }
    assert not any(s.correct for s in values.values())
    assert all(s.truncated and s.language_ok for s in values.values())
    nothing = NumberTask(pair, metric="dlength").score(item, Completion("", False, 1))
    assert (nothing.value, nothing.no_answer) == (0, True)
