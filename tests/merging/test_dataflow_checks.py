"""Paths that there are not: each is refused with the field at fault."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import transformers

from merging.checkpoint import check_recipe, inspect_checkpoint
from merging.dataflow.path import read_path
from merging.engine import MergeEngine
from merging.errors import CheckpointError, RecipeError
from merging.recipe import Recipe
from tests.merging.test_dataflow import COMMON, recipe_of, write

BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"input_scale": 0}, "slices[0].sources[0].parameters.input_scale", "must not be 0"),
    ({"input_scale": True}, "slices[0].sources[0].parameters.input_scale", "must be a number"),
    (
        {"input_scale": [{"filter": "mlp", "value": 1}]},
        "slices[0].sources[0].parameters.input_scale",
        "belongs to no tensor",
    ),
    ({"scale": 2}, "slices[0].sources[0].parameters.scale", "use input_scale"),
]


@pytest.mark.parametrize(("parameters", "field", "message"), BAD)
def test_what_is_no_path(parameters: Mapping[str, Any], field: str, message: str) -> None:
    source = {"model": "a", "layer_range": [0, 1], "parameters": dict(parameters)}
    recipe = Recipe.parse({"merge_method": "passthrough", "slices": [{"sources": [source]}]})
    with pytest.raises(RecipeError) as caught:
        read_path(recipe)
    assert caught.value.field == field
    assert message in caught.value.message


def test_a_path_has_an_end() -> None:
    with pytest.raises(RecipeError, match="slices: 1025 hops are more than the 1024 allowed"):
        read_path(recipe_of([("a", 0, 1.0)] * 1025))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rms_norm_eps": 1e-3}, "rms_norm_eps is 0.001 in 'c' but 1e-06 in 'a'"),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": 7.0}}, "rope_parameters is"),
        ({"hidden_act": "gelu"}, "hidden_act is gelu in 'c' but silu in 'a'"),
    ],
)
def test_blocks_must_agree_on_what_they_read(
    changed: dict[str, Any], message: str, tmp_path: Path
) -> None:
    folders = {
        "a": write(tmp_path / "a", "llama", 1),
        "c": write(tmp_path / "c", "llama", 2, **changed),
    }
    with pytest.raises(RecipeError, match=message) as caught:
        MergeEngine(folders).merge(recipe_of([("a", 0, 1.0), ("c", 0, 1.0)]))
    assert caught.value.field == "slices[1].sources[0].model"


def test_only_some_families_are_scaled(tmp_path: Path) -> None:
    """Gemma's norms multiply by one more than their weight, so a sign cannot go there."""
    kind: Any = transformers.GemmaForCausalLM
    kind(transformers.GemmaConfig(**COMMON, num_hidden_layers=2)).save_pretrained(tmp_path / "a")
    infos = {"a": inspect_checkpoint(tmp_path / "a")}
    with pytest.raises(RecipeError, match=r"slices: input_scale is for blocks of .*, not of gemma"):
        check_recipe(recipe_of([("a", 0, 1.0), ("a", 1, 0.5)]), infos)
    check_recipe(recipe_of([("a", 0, 1.0), ("a", 1, 1.0)]), infos)


def test_models_of_another_make_have_no_path(tmp_path: Path) -> None:
    kind: Any = transformers.GPT2LMHeadModel
    config = transformers.GPT2Config(n_embd=16, n_head=2, n_layer=2, n_positions=16, vocab_size=20)
    kind(config).save_pretrained(tmp_path / "a")
    with pytest.raises(CheckpointError, match="which gpt2 has not"):
        MergeEngine({"a": tmp_path / "a"}).merge(recipe_of([("a", 0, 1.0), ("a", 1, 1.0)]))
