"""What is written is a mergekit configuration, by the vocabulary that its users write.

The vocabulary, restated: a configuration has either `models` or `slices`, a `merge_method`, and
may have `base_model`, `parameters`, `dtype`, `out_dtype`, `tokenizer_source`. A parameter is a
scalar, a list of scalars, or a list of {filter, value}. Every parent has a `weight` where the
method wants one; slerp wants `t` and, beside the base, one model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from merging.export import write_checkpoint
from merging.recipe import Recipe
from tests.merging.conftest import Family
from tests.merging.test_engine import recipe

TOP = {"merge_method", "base_model", "parameters", "dtype", "out_dtype", "tokenizer_source"}
DTYPES = {"float32", "float16", "bfloat16"}
NAMES = {
    "linear": {"weight", "normalize", "int8_mask"},
    "slerp": {"t"},
    "task_arithmetic": {"weight", "normalize", "lambda", "int8_mask"},
    "ties": {"weight", "density", "normalize", "lambda", "rescale", "int8_mask"},
}


def is_scalar(value: object) -> bool:
    return isinstance(value, bool | int | float)


def is_gradient(value: object) -> bool:
    return is_scalar(value) or (
        isinstance(value, list) and bool(value) and all(is_scalar(one) for one in value)
    )


def is_setting(value: object) -> bool:
    return is_gradient(value) or (
        isinstance(value, list)
        and all(
            isinstance(one, dict)
            and set(one) == {"filter", "value"}
            and isinstance(one["filter"], str)
            and is_gradient(one["value"])
            for one in value
        )
    )


def check_parameters(parameters: dict[str, Any], method: str) -> None:
    assert set(parameters) <= NAMES[method]
    assert all(is_setting(value) for value in parameters.values())


def check_configuration(data: dict[str, Any]) -> None:
    method = data["merge_method"]
    assert set(data) - TOP in ({"models"}, {"slices"})
    assert data.get("dtype", "float32") in DTYPES
    assert data.get("out_dtype", "float32") in DTYPES
    top = data.get("parameters", {})
    check_parameters(top, method)
    groups = [data["models"]] if "models" in data else [one["sources"] for one in data["slices"]]
    for group in groups:
        assert isinstance(group, list)
        for entry in group:
            assert set(entry) <= {"model", "parameters", "layer_range"}
            assert isinstance(entry["model"], str)
            check_parameters(entry.get("parameters", {}), method)
            if "slices" in data:
                start, end = entry["layer_range"]
                assert isinstance(start, int)
                assert isinstance(end, int)
            if "weight" in NAMES[method] and entry["model"] != data.get("base_model"):
                assert "weight" in entry.get("parameters", {}) or "weight" in top
    if method == "slerp":
        assert "t" in top
        assert len({entry["model"] for entry in groups[0]} | {data["base_model"]}) == 2
    assert (method == "linear") or "base_model" in data


SLERP = {
    "merge_method": "slerp",
    "base_model": "base",
    "models": [{"model": "base"}, {"model": "ja"}],
    "parameters": {"t": [{"filter": "self_attn", "value": [0, 0.5, 1]}, {"value": 0.5}]},
}
SLICED = {
    "merge_method": "ties",
    "base_model": "base",
    "slices": [
        {
            "sources": [
                {"model": "base", "layer_range": [0, 3]},
                {"model": "ja", "layer_range": [0, 3], "parameters": {"weight": 1e-05}},
            ]
        }
    ],
    "parameters": {"density": 0.5, "normalize": False},
}
RECIPES = [
    recipe("linear", dtype="float32"),
    recipe("task_arithmetic", parameters={"lambda": 0.7}),
    recipe("ties", tokenizer_source="base", out_dtype="bfloat16"),
    Recipe.parse(SLERP),
    Recipe.parse(SLICED),
]


@pytest.mark.parametrize("one", RECIPES, ids=lambda one: str(one.merge_method))
def test_an_exported_recipe_is_a_mergekit_configuration(
    one: Recipe, tied: Family, tmp_path: Path
) -> None:
    write_checkpoint(one, tied, tmp_path / "child")
    data = yaml.safe_load((tmp_path / "child" / "recipe.yaml").read_text(encoding="utf-8"))
    check_configuration(data)
