"""What a person would try by hand: each parent, averages, a grid of uniform weights.

Models are named by reference in recipes and by alias in labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations, product
from typing import TYPE_CHECKING

from merging.recipe import Recipe
from search.parameter_spec import ParameterSpaceSpec
from search.references import references

if TYPE_CHECKING:
    from search.spec import SearchSpec


def parent_recipe(ref: str) -> Recipe:
    """The model itself, as a merge of one."""
    return _linear([ref])


def average_recipes(refs: Mapping[str, str]) -> dict[str, Recipe]:
    """The plain mean of every subset of two or more models, `refs` by alias.

    Labels join aliases in the order of `refs`: `maths+ja`. Smaller subsets come first.
    """
    return {
        "+".join(aliases): _linear([refs[alias] for alias in aliases])
        for size in range(2, len(refs) + 1)
        for aliases in combinations(refs, size)
    }


def grid_space(spec: SearchSpec) -> ParameterSpaceSpec | None:
    """The space whose parents the grid is over: the last parameter space with a base that merges
    the spec's own models alone, as a person would by hand; None if there is none."""
    for stage in reversed(spec.stages):
        space = stage.space
        if isinstance(space, ParameterSpaceSpec) and space.bases and not references(space):
            return space
    return None


def grid_recipes(base: str, parents: Mapping[str, str], step: float) -> dict[str, Recipe]:
    """Task arithmetic with one weight a parent for the whole model: every point of a grid.

    Weights are 0, step, ..., 1, of which 1 must be a multiple. `base` is a reference, `parents`
    are references by alias. Labels are the weights in the order of `parents`: `0.2,0.4`. The
    origin is left out: it is the base.
    """
    weights = [round(index * step, 10) for index in range(round(1 / step) + 1)]
    points = (point for point in product(weights, repeat=len(parents)) if any(point))
    return {
        ",".join(f"{weight:g}" for weight in point): _task_arithmetic(
            base, dict(zip(parents.values(), point, strict=True))
        )
        for point in points
    }


def _linear(refs: list[str]) -> Recipe:
    return Recipe.parse(
        {
            "merge_method": "linear",
            "models": [{"model": ref, "parameters": {"weight": 1.0}} for ref in refs],
            "parameters": {"normalize": True},
        }
    )


def _task_arithmetic(base: str, weights: Mapping[str, float]) -> Recipe:
    return Recipe.parse(
        {
            "merge_method": "task_arithmetic",
            "models": [
                {"model": ref, "parameters": {"weight": weight}} for ref, weight in weights.items()
            ],
            "base_model": base,
            "parameters": {"normalize": False},
        }
    )
