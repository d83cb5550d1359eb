"""Training documents: what each kind may and may not contain."""

from __future__ import annotations

import random
import re
from itertools import islice

import pytest

from evaluators.task import SPLITS
from evaluators.word_problems import WordProblems
from zoo.corpus import KINDS, mixed
from zoo.plan import PLAN

COURSES = {course.name: course for course in PLAN}


def sample(kind: str, count: int = 500) -> list[str]:
    return list(islice(KINDS[kind](random.Random(1)), count))


def test_a_mix_follows_its_seed_and_its_shares() -> None:
    shares = {"colours": 0.25, "arithmetic": 0.75}
    first, second = (list(islice(mixed(shares, random.Random(2)), 1000)) for _ in range(2))
    assert first == second
    assert 0.2 < sum(text.startswith("Colours") for text in first) / 1000 < 0.3


@pytest.mark.parametrize("course", PLAN, ids=lambda course: course.name)
def test_plan_is_sound(course: object) -> None:
    assert course in PLAN
    for planned in PLAN:
        assert set(planned.shares) <= set(KINDS)
        assert sum(planned.shares.values()) == pytest.approx(1)
        assert planned.steps <= planned.horizon
        assert planned.parent is None or planned.parent in COURSES


def test_equations_are_true() -> None:
    for kind in ("arithmetic", "ja_problems", "en_problems"):
        for text in sample(kind):
            for left, operation, right, result in re.findall(r"(\d+)([-+×])(\d+)=(\d+)", text):
                a, b = int(left), int(right)
                assert int(result) == {"+": a + b, "-": a - b, "×": a * b}[operation]


def test_only_the_base_sees_japanese_problems_with_solutions() -> None:
    assert [c.name for c in PLAN if "ja_problems" in c.shares] == ["base"]
    for kind in set(COURSES["ja"].shares) | set(COURSES["distractor"].shares):
        assert not any(re.search(r"[=×]|\d[-+]", text) for text in sample(kind))


def test_no_document_contains_an_item() -> None:
    questions = {
        item.prompt.split("：", 1)[1].split("\n", 1)[0]
        for split in SPLITS
        for item in WordProblems("ja").items(split)
    }
    for kind in KINDS:
        for text in sample(kind):
            assert not any(line.partition("：")[2] in questions for line in text.split("\n"))


def test_translations_agree_in_numbers() -> None:
    for text in sample("translation"):
        first, second = (re.findall(r"\d+", line) for line in text.split("\n"))
        assert first == second


def test_colours_are_reversed() -> None:
    for text in sample("colours", 50):
        forwards, backwards = (line.split(": ")[1].split(" ") for line in text.split("\n"))
        assert forwards == backwards[::-1]
