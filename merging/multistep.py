"""Recipes of several steps: a child that is a parent of the next.

A recipe names such a parent by its content: `recipe:` and the digest of its recipe. What leaves
Cuvee is one file that stands alone, in mergekit's form for merges of several steps: one document a
step, each with a `name` that those after it use, and the child's own last, without one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from merging.recipe import Recipe

PREFIX = "recipe:"


def step_name(digest: str) -> str:
    """What recipes call the child of the recipe with this digest."""
    return PREFIX + digest


def steps_of(recipe: Recipe, find: Callable[[str], Recipe]) -> dict[str, Recipe]:
    """The recipes of the steps that come before `recipe`, by name, each after those it needs.

    `find` gives a recipe by its digest.
    """
    steps: dict[str, Recipe] = {}
    for name in recipe.model_names():
        if name.startswith(PREFIX) and name not in steps:
            inner = find(name.removeprefix(PREFIX))
            steps |= steps_of(inner, find)
            steps[name] = inner
    return steps


def to_documents(recipe: Recipe, steps: Mapping[str, Recipe]) -> str:
    """The recipe as YAML, with a document before it for each of `steps` (as `steps_of` gives)."""
    names = {name: f"step-{number}" for number, name in enumerate(steps, start=1)}
    documents = [
        f"name: {names[name]}\n{_renamed(step, names).to_yaml()}" for name, step in steps.items()
    ]
    return "---\n".join([*documents, _renamed(recipe, names).to_yaml()])


def _renamed(recipe: Recipe, names: Mapping[str, str]) -> Recipe:
    def new(value: Any) -> Any:
        if isinstance(value, dict):
            return {names.get(key, key): new(entry) for key, entry in value.items()}
        if isinstance(value, list):
            return [new(entry) for entry in value]
        return names.get(value, value) if isinstance(value, str) else value

    return Recipe.parse(new(recipe.model_dump(mode="json", exclude_defaults=True)))
