"""docs/answering.md names every way, every setting with its default, and every failure."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
import yaml

from evaluators.answering.program_text import Missing
from evaluators.sandbox import FAILURES
from search.answer_spec import (
    ChainOfThoughtAnswer,
    DirectAnswer,
    ProgramAnswer,
    SelfConsistencyAnswer,
    SelfVerificationAnswer,
)
from search.spec import TaskEntry

DOCS = Path(__file__).parents[3] / "docs"
TEXT = (DOCS / "answering.md").read_text(encoding="utf-8")
ROWS = [line.split(" | ") for line in TEXT.splitlines() if line.startswith("| `")]


@pytest.mark.parametrize(
    "way",
    [
        DirectAnswer,
        ChainOfThoughtAnswer,
        ProgramAnswer,
        SelfVerificationAnswer,
        SelfConsistencyAnswer,
    ],
)
def test_every_way_and_setting_is_told(
    way: type[
        DirectAnswer
        | ChainOfThoughtAnswer
        | ProgramAnswer
        | SelfVerificationAnswer
        | SelfConsistencyAnswer
    ],
) -> None:
    (kind,) = get_args(way.model_fields["kind"].annotation)
    assert any(row[0] == f"| `{kind}`" for row in ROWS)
    for name in way.model_fields.keys() - {"kind"}:
        (row,) = [row for row in ROWS if f"`{name}`" in row[0]]
        assert f"`{kind}`" in row[1]


def test_defaults_are_those_of_the_settings() -> None:
    vote, check = (
        SelfConsistencyAnswer(kind="self_consistency"),
        SelfVerificationAnswer(kind="self_verification"),
    )
    told = {row[0].removeprefix("| "): row[2] for row in ROWS if len(row) == 4}
    assert told["`max_new_tokens`"] == f"512; {check.max_new_tokens}"
    assert told["`samples`"] == str(vote.samples)
    assert told["`temperature`, `top_p`"] == f"{vote.temperature:g}, {vote.top_p:g}"
    assert told["`of`"] == f"`{vote.of.kind}`"
    assert told["`shots`"] == str(check.shots)
    assert told["`weights`"] == ", ".join(f"{weight:g}" for weight in check.weights)


def test_every_failure_is_told() -> None:
    programs = (DOCS / "programs.md").read_text(encoding="utf-8")
    assert [name for name in FAILURES if f"| `{name}` |" not in programs] == []
    assert [name for name in get_args(Missing) if f"| `{name}` |" not in TEXT] == []


def test_the_example_is_valid() -> None:
    (block,) = re.findall(r"^    tasks:\n(?:      .*\n)+", TEXT, re.MULTILINE)
    for entry in yaml.safe_load(block)["tasks"]:
        TaskEntry.model_validate(entry)
