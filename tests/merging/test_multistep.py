"""Recipes whose parents are children themselves, and the one file that says it all."""

from __future__ import annotations

import yaml

from merging.multistep import step_name, steps_of, to_documents
from merging.recipe import Recipe


def _linear(*models: str) -> Recipe:
    return Recipe.parse(
        {
            "merge_method": "linear",
            "models": [{"model": name, "parameters": {"weight": 0.5}} for name in models],
        }
    )


FIRST = _linear("a", "b")
SECOND = _linear(step_name(FIRST.digest()), "c")
LAST = Recipe.parse(
    {
        "merge_method": "passthrough",
        "slices": [
            {"sources": [{"model": step_name(SECOND.digest()), "layer_range": [0, 2]}]},
            {"sources": [{"model": step_name(FIRST.digest()), "layer_range": [1, 2]}]},
        ],
    }
)
KNOWN = {one.digest(): one for one in (FIRST, SECOND)}


def test_steps_come_after_those_they_need() -> None:
    steps = steps_of(LAST, KNOWN.__getitem__)
    assert list(steps) == [step_name(FIRST.digest()), step_name(SECOND.digest())]


def test_the_documents_name_models_and_steps_and_nothing_else() -> None:
    text = to_documents(LAST, steps_of(LAST, KNOWN.__getitem__))
    documents = list(yaml.safe_load_all(text))
    assert [one.pop("name", None) for one in documents] == ["step-1", "step-2", None]
    first, second, last = (Recipe.parse(one) for one in documents)
    assert first == FIRST
    assert second.model_names() == ("step-1", "c")
    assert last.model_names() == ("step-2", "step-1")
    assert "recipe:" not in text


def test_a_recipe_of_one_step_is_one_document() -> None:
    assert to_documents(FIRST, {}) == FIRST.to_yaml()
