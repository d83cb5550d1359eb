"""The word problems: fixed for ever, disjoint, right, and scored as promised."""

from __future__ import annotations

import itertools
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.task import SPLITS, Completion, Item, Split, Task
from evaluators.word_problems import (
    ITEM_COUNTS,
    MAX_STEPS,
    MAX_VALUE,
    Part,
    WordProblems,
    documents,
    draw,
    draw_numbers,
    part_of,
)
from evaluators.word_problems_wording import (
    EVENTS,
    Language,
    Numbers,
    Wording,
    problem,
    prompt,
    solution,
)

LANGUAGES: tuple[Language, ...] = ("ja", "en")

GOLDEN: dict[Split, str] = {
    "search": "wpja-search-08170c983484",
    "select": "wpja-select-fcf1538dd2b6",
    "holdout": "wpja-holdout-06110e28e0bf",
}


def completion(text: str, *, truncated: bool = False) -> Completion:
    return Completion(text, truncated=truncated, tokens=1)


def worked(item: Item, language: Language) -> str:
    """Any text that ends with the reference, in the language."""
    if language == "ja":
        return f"1+1=2。答えは{item.reference}個です。"
    return f" 1+1=2. The answer is {item.reference} apples."


@pytest.mark.parametrize("split", SPLITS)
def test_items_never_change(split: Split) -> None:
    assert WordProblems("ja").items(split)[0].id == GOLDEN[split]
    assert WordProblems("ja").items(split) == WordProblems("ja").items(split)


@pytest.mark.parametrize("language", LANGUAGES)
def test_contract(language: Language) -> None:
    task: Task = WordProblems(language)
    assert task.name == f"word_problems_{language}"
    for split in SPLITS:
        items = task.items(split)
        assert len(items) == ITEM_COUNTS[split]
        assert len({item.id for item in items}) == len({item.prompt for item in items})
        assert all(0 < int(item.reference) <= MAX_VALUE for item in items)


def test_both_languages_tell_the_same_stories() -> None:
    for split in SPLITS:
        ja, en = (WordProblems(language).items(split) for language in LANGUAGES)
        assert [item.reference for item in ja] == [item.reference for item in en]
        assert [re.findall(r"\d+", item.prompt) for item in ja] == [
            re.findall(r"\d+", item.prompt) for item in en
        ]


def test_another_seed_gives_other_items_of_the_same_parts() -> None:
    first, second = WordProblems("ja", seed=0), WordProblems("ja", seed=1)
    assert first.items("search")[0] != second.items("search")[0]
    used = {item.prompt for split in ("select", "holdout") for item in first.items(split)}
    assert used.isdisjoint(item.prompt for item in second.items("search"))


def test_every_number_of_steps_occurs() -> None:
    # Every step is a sentence; the opening and the question are two more.
    steps = [item.prompt.count("。") - 2 for item in WordProblems("ja").items("holdout")]
    assert {*steps} == set(range(1, MAX_STEPS + 1))
    assert min(steps.count(n) for n in {*steps}) > 300


def test_parts_share_neither_wording_nor_numbers() -> None:
    parts: tuple[Part, ...] = ("train", *SPLITS)
    rng = random.Random(3)
    drawn = {part: [draw(part, rng) for _ in range(2000)] for part in parts}
    for one, other in itertools.combinations(parts, 2):
        for field in (0, 1):
            assert {s[field] for s in drawn[one]}.isdisjoint(s[field] for s in drawn[other])


def test_no_training_text_is_an_item() -> None:
    for language in LANGUAGES:
        items = {i.prompt for split in SPLITS for i in WordProblems(language).items(split)}
        stream = documents(language, random.Random(0))
        assert items.isdisjoint(d.prompt for d in itertools.islice(stream, 5000))


def test_documents_follow_their_generator() -> None:
    first, second = (documents("ja", random.Random(5)) for _ in range(2))
    assert [next(first) for _ in range(20)] == [next(second) for _ in range(20)]


@settings(max_examples=300, deadline=None)
@given(st.integers(min_value=0), st.sampled_from(LANGUAGES))
def test_solutions_are_right(seed: int, language: Language) -> None:
    rng = random.Random(seed)
    numbers = draw_numbers(rng)
    wording, numbers = draw(part_of(numbers), rng)
    written = solution(wording, numbers, language)
    equations = re.findall(r"(\d+)([-+×])(\d+)=(\d+)", written)
    assert len(equations) == len(numbers.steps) == len(wording.events) <= MAX_STEPS
    value = numbers.start
    for left, operation, right, result in equations:
        assert int(left) == value
        value = {"+": value + int(right), "-": value - int(right), "×": value * int(right)}[
            operation
        ]
        assert int(result) == value
        assert 0 < value <= MAX_VALUE
    assert [EVENTS[event].operation for event in wording.events] == [o for o, _ in numbers.steps]
    task = WordProblems(language)
    asked = Item("x", prompt(problem(wording, numbers, language), language), str(value))
    assert task.score(asked, completion(written)).value == 1.0


def test_a_story_reads_well() -> None:
    wording = Wording(name=0, thing=0, events=(0, 9), question=1)
    numbers = Numbers(12, (("+", 7), ("×", 2)))
    assert problem(wording, numbers, "ja") == (
        "太郎はりんごを12個持っています。店で7個買いました。それから数を2倍にしました。"
        "太郎は今りんごを何個持っていますか。"
    )
    assert solution(wording, numbers, "ja") == "12+7=19。19×2=38。答えは38個です。"
    assert problem(wording, numbers, "en") == (
        "Taro has 12 apples. Taro bought 7 more at the shop. "
        "Then Taro made the number 2 times as large. How many apples does Taro have now?"
    )
    assert solution(wording, numbers, "en") == " 12+7=19. 19×2=38. The answer is 38 apples."


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_right_answer_in_the_wrong_language_is_worth_nothing(language: Language) -> None:
    task, other = WordProblems(language), LANGUAGES[language == "ja"]
    for item in task.items("search")[:20]:
        assert task.score(item, completion(worked(item, language))).value == 1.0
        score = task.score(item, completion(worked(item, other)))
        assert (score.value, score.correct, score.language_ok) == (0.0, True, False)


def test_wrong_missing_and_unfinished_answers() -> None:
    task = WordProblems("ja")
    item = task.items("search")[0]
    wrong = task.score(item, completion(f"答えは{int(item.reference) + 1}個です。"))
    assert (wrong.value, wrong.correct, wrong.language_ok) == (0.0, False, True)
    missing = task.score(item, completion("わかりません。", truncated=True))
    assert (missing.value, missing.no_answer, missing.truncated) == (0.0, True, True)
    assert task.score(item, completion("")).no_answer
