"""Bad input: one error, and the field that it names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from merging.checkpoint import CheckpointInfo, check_recipe, inspect_checkpoint
from merging.errors import RecipeError
from merging.recipe import Recipe
from tests.merging.conftest import Family, write_model


@pytest.fixture(scope="module")
def parents(
    tied: Family, untied: Family, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, CheckpointInfo]:
    root = tmp_path_factory.mktemp("strangers")
    strangers = {
        "wide": write_model(root / "wide", 5, vocab_size=41),
        "deep": write_model(root / "deep", 6, num_hidden_layers=5),
        "biased": write_model(root / "biased", 7, attention_bias=True),
        "untied": untied["base"],
    }
    return {name: inspect_checkpoint(folder) for name, folder in (tied | strangers).items()}


def models(*names: str, **parameters: object) -> list[dict[str, Any]]:
    return [{"model": name, "parameters": parameters} for name in names]


def ties(*names: str, **parameters: object) -> dict[str, Any]:
    return {"merge_method": "ties", "base_model": "base", "models": models(*names, **parameters)}


def linear(*names: str, **parameters: object) -> dict[str, Any]:
    return {"merge_method": "linear", "models": models(*names), "parameters": parameters}


def sliced(method: str, *sources: tuple[str, int, int], **more: object) -> dict[str, Any]:
    listed = [{"model": name, "layer_range": [start, end]} for name, start, end in sources]
    return {"merge_method": method, "slices": [{"sources": listed}], **more}


# As mergekit-evolve writes its recipes.
EVOLVED = [
    {
        **sliced(method, ("base", 0, 3), ("maths", 0, 3), base_model="base"),
        "parameters": {"normalize": False, "int8_mask": True},
        "dtype": "bfloat16",
        "tokenizer_source": "base",
    }
    for method in ("linear", "task_arithmetic", "ties", "dare_ties")
]
GOOD = [
    linear("maths", "ja"),
    linear("maths"),
    {**linear("base", "ja"), "base_model": "base"},
    ties("maths", "ja", weight=[0.1, 0.2, 0.3], density=0.5),
    ties("base", "maths", weight=[0.1, 0.2]),
    {**ties("maths"), "tokenizer_source": "base"},
    {**ties("maths"), "parameters": {"normalize": False, "lambda": 1.5, "weight": [1]}},
    {
        "merge_method": "slerp",
        "base_model": "ja",
        "models": models("maths"),
        "parameters": {"t": 0},
    },
    sliced("linear", ("deep", 0, 5)),
    sliced("ties", ("base", 0, 3), ("deep", 2, 5), base_model="base"),
    {**ties("maths"), "merge_method": "dare_ties", "parameters": {"random_seed": 12}},
    *EVOLVED,
]


@pytest.mark.parametrize("data", GOOD)
def test_what_is_right(data: dict[str, Any], parents: dict[str, CheckpointInfo]) -> None:
    check_recipe(Recipe.parse(data), parents)


WEIGHT, DENSITY = "models[0].parameters.weight", "models[0].parameters.density"
BAD: list[tuple[dict[str, Any], str, str]] = [
    ({**ties("maths"), "merge_method": "magic"}, "merge_method", "unknown method 'magic'"),
    ({**ties("maths"), "base_model": None}, "base_model", "method 'ties' needs a base model"),
    ({**ties("maths"), "base_model": "gone"}, "base_model", "there is no model 'gone'"),
    (ties("maths", "gone"), "models[1].model", "no model 'gone'; there are: base, maths"),
    (ties("base"), "models", "takes at least 1 model(s) besides the base, not 0"),
    (
        {**ties("maths", "ja"), "merge_method": "slerp", "parameters": {"t": 0.5}},
        "models",
        "takes 1 model(s) besides the base, not 2",
    ),
    ({**linear("maths"), "base_model": "base"}, "models", "must list the base model too"),
    (ties("maths", weight=[1, 2, 3, 4]), WEIGHT, "has 4 values, more than the 3 layers"),
    (ties("maths", weight=[{"value": [0.1] * 9}]), WEIGHT, "has 9 values"),
    (ties("maths", weigth=1), "models[0].parameters.weigth", "no parameter 'weigth'; there are"),
    (linear("maths", density=1), "parameters.density", "no parameter 'density'"),
    (ties("maths", normalize=True), "models[0].parameters.normalize", "the whole merge"),
    (ties("maths", density=1.5), DENSITY, "must be at most 1, not 1.5"),
    (ties("maths", density=[0.5, -0.1]), DENSITY, "must be at least 0, not -0.1"),
    (ties("maths", weight=True), WEIGHT, "must be a number, not true"),
    (linear("maths", normalize=1), "parameters.normalize", "must be true or false, not 1"),
    (
        {**ties("maths"), "merge_method": "slerp"},
        "parameters.t",
        "method 'slerp' needs it: 0 is the base",
    ),
    (
        {**ties("maths"), "merge_method": "dare_ties", "parameters": {"random_seed": 0.5}},
        "parameters.random_seed",
        "must be a whole number",
    ),
    (
        {**ties("maths"), "merge_method": "dare_ties", "parameters": {"random_seed": [1, 2]}},
        "parameters.random_seed",
        "must be one value for the whole model",
    ),
    (
        ties("wide"),
        "models[0].model",
        "tensor 'model.embed_tokens.weight' is 41x32 in 'wide' but 40x32 in 'base'",
    ),
    (linear("biased", "base"), "models[1].model", "'base' has no tensor 'model.layers.0.self_attn"),
    (linear("base", "biased"), "models[1].model", "'biased' has a tensor 'model.layers.0.self_at"),
    (ties("deep"), "models[0].model", "'deep' has 5 layers, 'base' 3"),
    (
        sliced("linear", ("maths", 1, 4)),
        "slices[0].sources[0].layer_range",
        "layer_range ends at 4, but 'maths' has 3 layers",
    ),
    (sliced("linear", ("maths", 0, 2)), "slices", "must add up to 3 layers, not 2"),
    (
        sliced("linear", ("maths", 0, 2), ("ja", 0, 3)),
        "slices[0].sources",
        "one length, not 2 and 3",
    ),
    (
        sliced("ties", ("maths", 0, 3), base_model="base"),
        "slices[0].sources",
        "must list the base model with its layers ('base')",
    ),
    ({**ties("maths"), "tokenizer_source": "all"}, "tokenizer_source", "not 'all'"),
    ({**linear("maths"), "tokenizer_source": "base"}, "tokenizer_source", "there is no base_model"),
]


@pytest.mark.parametrize(("data", "field", "message"), BAD)
def test_what_is_wrong(
    data: dict[str, Any], field: str, message: str, parents: dict[str, CheckpointInfo]
) -> None:
    with pytest.raises(RecipeError) as caught:
        check_recipe(Recipe.parse(data), parents)
    assert caught.value.field == field
    assert message in caught.value.message


def test_only_models_of_the_recipe_are_compared(tied: Family, tmp_path: Path) -> None:
    info = inspect_checkpoint(tied["base"])
    other = write_model(tmp_path / "other", 1, vocab_size=50)
    config = json.loads((other / "config.json").read_text())
    assert config["vocab_size"] == 50
    parents = {"wide": inspect_checkpoint(other), "a": info, "b": info}
    check_recipe(Recipe.parse(linear("a", "b")), parents)


def test_a_child_takes_the_shapes_that_it_is_asked_to(
    parents: dict[str, CheckpointInfo],
) -> None:
    recipe = Recipe.parse(linear("base", "ja"))
    check_recipe(recipe, parents, like="maths")
    with pytest.raises(RecipeError, match="40x32 in 'base' but 41x32 in 'wide'"):
        check_recipe(recipe, parents, like="wide")
