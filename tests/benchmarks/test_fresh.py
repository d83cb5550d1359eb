"""Fresh items are none that a search or a choice has seen."""

from __future__ import annotations

import pytest
from transformers import AutoTokenizer

from benchmarks.fresh import ROOT, TASKS, fresh_items
from evaluators.task import SPLITS
from evaluators.tasks import load_task


@pytest.mark.parametrize("name", TASKS)
def test_fresh_items_are_in_no_split(name: str) -> None:
    fresh = {item.prompt for item in fresh_items(name, _tokenizer()).items}
    seen = {item.prompt for split in SPLITS for item in load_task(name).items(split)}
    assert len(fresh) > 1000
    assert not fresh & seen


def _tokenizer() -> object:
    return AutoTokenizer.from_pretrained(ROOT / "zoo" / "base")
