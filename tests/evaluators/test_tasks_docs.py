"""docs/tasks.md names every family of the catalogue, its files, metrics and counts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from evaluators.catalogue import JSONL, LM_EVAL, MATH, task_cards
from evaluators.gsm8k import read_problems
from evaluators.language import LANGUAGES
from evaluators.numbers.pairs import METRICS, PAIRS
from evaluators.perturbation import perturb_all
from evaluators.published import PUBLISHED
from tests.evaluators.shared_data import shared_data

DOCS = (Path(__file__).parents[2] / "docs" / "tasks.md").read_text(encoding="utf-8")


def general(text: str) -> str:
    """A name or file with `<language>` in the place of one."""
    return re.sub(rf"_({'|'.join(LANGUAGES)})(?=\.|$)", "_<language>", text)


@pytest.mark.parametrize("name", sorted({*task_cards(None), *PUBLISHED} - PAIRS.keys()))
def test_tasks_are_named(name: str) -> None:
    assert f"`{name}`" in DOCS or f"`{general(name)}`" in DOCS


@pytest.mark.parametrize("name", PUBLISHED)
def test_files_and_licences_are_named(name: str) -> None:
    benchmark = PUBLISHED[name]
    table = [line for line in DOCS.splitlines() if line.startswith("| `")]
    row = next(line for line in table if f"`{general(name)}`" in line.split(" | ")[0])
    for file in benchmark.files:
        assert f"`{general(file)}`" in DOCS
    for licence in benchmark.licence.split("; "):
        assert licence.partition(" ")[0] in row


def test_the_pairs_are_those_of_the_table() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `[^`]+` \| ([^|]+) \|$", DOCS, re.MULTILINE)
    told = {
        f"numbers_{representation}_{operation}"
        for representation, operations in rows
        for operation in re.findall(r"`(\w+)`", operations)
    }
    assert told == PAIRS.keys()
    for pair in PAIRS.values():
        for low, high in pair.bands.values():
            assert f"{low}-{high}" in DOCS
    assert all(f"- `{metric}`:" in DOCS for metric in METRICS)


@pytest.mark.parametrize("prefix", [JSONL, MATH, LM_EVAL])
def test_prefixes_are_named(prefix: str) -> None:
    assert re.search(rf"`{prefix}<\w+>`", DOCS)


def test_counts_are_those_of_the_cards() -> None:
    cards = task_cards(None)
    for name in ("word_problems_ja", "numbers_integer_add"):
        splits = cards[name].splits
        assert splits is not None
        for split, count in splits.items():
            assert re.search(rf"\b{count} (?:items are )?for\s{split}", DOCS)


def test_counts_are_those_of_the_published_files() -> None:
    perturbed = perturb_all(read_problems(shared_data("gsm8k", "test.jsonl")))
    left_in = len(perturbed.variants)
    assert f"test set {left_in} are left in, {3 * left_in} variants" in " ".join(DOCS.split())
