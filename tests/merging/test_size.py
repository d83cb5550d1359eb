"""A child's size is that of its export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM

from merging.engine import MergeEngine
from merging.export import write_checkpoint
from merging.recipe import Recipe
from merging.size import parameter_count
from tests.tiny import write_llama


def _source(layer: int) -> dict[str, Any]:
    return {"sources": [{"model": "a", "layer_range": [layer, layer + 1]}]}


@pytest.mark.parametrize(
    "recipe",
    [
        {"merge_method": "linear", "models": [{"model": "a", "parameters": {"weight": 1.0}}]},
        {"merge_method": "passthrough", "slices": [_source(at) for at in (0, 1, 1, 0, 1, 2)]},
    ],
)
def test_a_block_that_is_visited_twice_counts_twice(recipe: dict[str, Any], tmp_path: Path) -> None:
    parents = {"a": write_llama(tmp_path / "a", 0)}
    parsed = Recipe.parse(recipe)
    counted = parameter_count(MergeEngine(parents).merge(parsed))
    write_checkpoint(parsed, parents, tmp_path / "child")
    child: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "child")
    assert counted == child.num_parameters()
