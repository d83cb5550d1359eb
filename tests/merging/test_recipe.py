"""Recipes as YAML, their digest, and the field that an error names."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merging.errors import RecipeError
from merging.recipe import Recipe
from tests.merging.test_values import RAW_SETTINGS

TIES = """
merge_method: ties
base_model: base
models:
  - model: maths
    parameters: {weight: 0.5, density: [0.2, 1]}
  - model: ja
    parameters:
      weight: [{filter: mlp, value: 1e-3}, {value: 1.0}]
parameters: {normalize: true, lambda: 1}
dtype: float32
"""
SAME_TIES = """
dtype: float32
out_dtype: null
parameters: {lambda: 1.0, normalize: true}
models:
  - parameters: {density: [0.2, 1.0], weight: 0.5}
    model: maths
  - model: ja
    parameters: {weight: [{value: 0.001, filter: mlp}, {filter: "*", value: 1}]}
base_model: base
merge_method: ties
"""
NAMES = st.sampled_from(["base", "maths", "ja", "org/model-7b", "日本語", "yes", "1.5"])
PARAMETERS = st.dictionaries(st.sampled_from(["weight", "density", "t"]), RAW_SETTINGS, max_size=3)


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    names = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    data: dict[str, Any] = {"merge_method": "ties", "parameters": draw(PARAMETERS)}
    if draw(st.booleans()):
        data["models"] = [{"model": name, "parameters": draw(PARAMETERS)} for name in names]
    else:
        source = {"layer_range": [0, 2]}
        data["slices"] = [
            {"sources": [{"model": name, **source, "parameters": draw(PARAMETERS)}]}
            for name in names
        ]
    data["base_model"] = draw(st.none() | NAMES)
    data["dtype"] = draw(st.sampled_from([None, "float32", "bfloat16"]))
    return Recipe.parse(data)


@given(recipes())
def test_yaml_and_back(recipe: Recipe) -> None:
    again = Recipe.from_yaml(recipe.to_yaml())
    assert again == recipe
    assert again.digest() == recipe.digest()
    assert Recipe.parse(recipe.model_dump(mode="json")) == recipe


def test_the_digest_ignores_how_a_recipe_is_written() -> None:
    assert Recipe.from_yaml(TIES).digest() == Recipe.from_yaml(SAME_TIES).digest()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("weight: 0.5", "weight: 0.5000001"),
        ("[0.2, 1]", "[1, 0.2]"),
        ("filter: mlp", "filter: attn"),
        ("normalize: true", "normalize: false"),
        ("lambda: 1", "lambda: 2"),
        ("model: ja", "model: jp"),
        ("base_model: base", "base_model: ja"),
        ("dtype: float32", "dtype: float16"),
        ("merge_method: ties", "merge_method: dare_ties"),
        ("lambda: 1", "lambda: 1, random_seed: 9007199254740993"),
    ],
)
def test_the_digest_sees_what_a_recipe_says(old: str, new: str) -> None:
    assert old in TIES
    assert Recipe.from_yaml(TIES).digest() != Recipe.from_yaml(TIES.replace(old, new)).digest()


def test_large_seeds_differ_in_their_digest() -> None:
    first, second = (
        Recipe.from_yaml(TIES.replace("lambda: 1", f"lambda: 1, random_seed: {2**53 + extra}"))
        for extra in (0, 1)
    )
    assert first.digest() != second.digest()


def test_model_names_come_once_in_order() -> None:
    assert Recipe.from_yaml(TIES).model_names() == ("maths", "ja", "base")
    listed = TIES.replace("model: maths", "model: base")
    assert Recipe.from_yaml(listed).model_names() == ("base", "ja")


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Recipe.from_yaml(TIES).merge_method = "linear"


LINEAR: dict[str, Any] = {"merge_method": "linear", "models": [{"model": "a"}, {"model": "b"}]}


def sliced(*ranges: object, **more: object) -> dict[str, Any]:
    sources = [{"model": f"m{n}", "layer_range": one} for n, one in enumerate(ranges)]
    return {"merge_method": "linear", "slices": [{"sources": sources, **more}]}


@pytest.mark.parametrize(
    ("data", "field", "message"),
    [
        ([], "recipe", "must be a mapping"),
        ({"models": [{"model": "a"}]}, "merge_method", "is required"),
        ({**LINEAR, "modules": {}}, "modules", "no such field"),
        ({**LINEAR, "dtype": "int4"}, "dtype", "input should be"),
        ({**LINEAR, "parameters": {"weight": float("nan")}}, "parameters.weight", "finite"),
        ({**LINEAR, "parameters": 3}, "parameters", "valid dictionary"),
        ({**LINEAR, "models": [{"model": "a"}, {}]}, "models[1].model", "is required"),
        ({**LINEAR, "models": []}, "models", "at least 1"),
        ({**LINEAR, "models": None}, "models", "either models or slices"),
        ({**LINEAR, "slices": sliced([0, 1])["slices"]}, "models", "either models or slices"),
        ({**LINEAR, "models": [{"model": "a"}] * 2}, "models[1].model", "'a' is listed twice"),
        (
            {**LINEAR, "models": [{"model": "a", "parameters": {"weight": ["x!"]}}]},
            "models[0].parameters.weight",
            "'x!' is neither a number nor a choice",
        ),
        (sliced([2, 2]), "slices[0].sources[0]", "first < end"),
        (sliced([0, 1], [-1, 2]), "slices[0].sources[1].layer_range[0]", "greater than or equal"),
        (sliced([0, 1, 2]), "slices[0].sources[0].layer_range", "at most 2"),
        (sliced([0, 1], extra=1), "slices[0].extra", "no such field"),
    ],
)
def test_errors_name_the_field(data: object, field: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        Recipe.parse(data)
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: ")


def test_sources_of_a_slice_are_listed_once() -> None:
    data = sliced([0, 1], [0, 1])
    data["slices"][0]["sources"][1]["model"] = "m0"
    with pytest.raises(RecipeError) as caught:
        Recipe.parse(data)
    assert caught.value.field == "slices[0].sources[1].model"


@pytest.mark.parametrize("text", ["a: [", "a: 1\n---\nb: 2", "!!python/object:os.system {}", ""])
def test_text_that_is_no_recipe(text: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.from_yaml(text)
    assert caught.value.field == "recipe"
    assert "\n" not in str(caught.value)


def test_errors_survive_pickling() -> None:
    error = pickle.loads(pickle.dumps(RecipeError("models", "is wrong")))
    assert (error.field, str(error)) == ("models", "models: is wrong")
