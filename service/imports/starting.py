"""A recipe as a job: a search that starts from it, or an evaluation of it alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from merging.catalogue import get_method
from merging.checkpoint import CheckpointInfo
from merging.checks import check_recipe
from merging.errors import RecipeError
from merging.method import Method, Parameter
from merging.recipe import Recipe
from merging.values import Scalar
from search.errors import SpecError
from search.ranges import is_pairwise
from search.spec import SearchSpec
from service.imports.values import Groups, grouped

Values = Mapping[str | None, Sequence[Scalar | None]]

_WORD = re.compile(r"[^A-Za-z0-9_-]+")


def starting_spec(
    steps: Mapping[str, Recipe],
    models: Mapping[str, CheckpointInfo],
    references: Mapping[str, str],
    tasks: Sequence[str],
    *,
    name: str = "imported",
    trials: int = 100,
    layer_groups: int = 4,
) -> SearchSpec:
    """A search whose first trial is the recipe's child, and that goes on from there.

    `steps` are recipes as `read_source` gives them; `models` the checkpoints that they name, and
    `references` what a spec calls those. A step before the last becomes a stage of one trial.
    With `trials` 1 the job is no more than an evaluation of the recipe, beside its models. A recipe
    whose values are the same at all layers is searched in `layer_groups`; others in the groups in
    which they have one value each.

    Raises RecipeError, naming the field that a search cannot hold.
    """
    aliases = _aliases(references)
    named, shapes = dict(aliases), dict(models)
    stages: list[dict[str, Any]] = []
    for step, recipe in steps.items():
        budget = trials if step == "" else 1
        like = shapes[recipe.base_model or recipe.model_names()[0]]
        check_recipe(recipe, {one: shapes[one] for one in recipe.model_names()})
        stage = _WORD.sub("-", step).strip("-") or "recipe"
        stages.append(
            {
                "name": stage,
                "space": _space(recipe, named, like, layer_groups if budget > 1 else 1),
                "seeds": "start",
                "budget": {"trials": budget},
            }
        )
        named[step], shapes[step] = f"{stage}.best", like
    spec: dict[str, Any] = {
        "name": name,
        "models": {aliases[one]: {"ref": ref} for one, ref in references.items()},
        "tasks": [{"task": task} for task in tasks],
        "stages": stages,
    }
    if trials == 1:
        spec |= {
            "select": {"top_k": len(stages)},
            "baselines": {"averages": False, "grid_step": None},
        }
    try:
        return SearchSpec.parse(spec)
    except SpecError as error:
        raise RecipeError(error.field, error.message) from error


def _space(
    recipe: Recipe, named: Mapping[str, str], like: CheckpointInfo, layer_groups: int
) -> dict[str, Any]:
    method = get_method(recipe.merge_method)
    _check_fields(recipe)
    models = [one for one in recipe.model_names() if one != recipe.base_model]
    if recipe.base_model is None and is_pairwise(method):
        models = list(recipe.model_names())
    found = grouped(recipe, models, method.parameters, like)
    uniform = len(found.layer_groups) == 1 and not found.module_groups
    layer_groups = min(layer_groups, like.num_layers)
    searched = [one for one in method.parameters if _is_searched(method, one)]
    settings: dict[str, Any] = {}
    starts: dict[str, dict[str, Any]] = {named[one]: {} for one in models}
    for one in method.parameters:
        values = {
            owner: list(numbers)
            for (owner, name), numbers in found.values.items()
            if name == one.name
        }
        if one not in searched:
            settings |= _settled(one, values)
            continue
        copies = layer_groups if uniform else 1
        begun = {owner: _start(one, numbers, found, copies) for owner, numbers in values.items()}
        settings[one.name] = _range(one, values, begun.get(None))
        for owner, start in begun.items():
            if owner is not None:
                starts[named[owner]][one.name] = start
    space: dict[str, Any] = {
        "kind": "parameter",
        "method": method.name,
        "parents": [named[one] for one in models],
        "layer_groups": layer_groups if uniform else list(found.layer_groups),
        "module_groups": list(found.module_groups),
        "tensor_groups": list(found.tensor_groups),
        "parameters": settings,
        "starts": {alias: own for alias, own in starts.items() if own},
    }
    if recipe.base_model is not None:
        space["base"] = named[recipe.base_model]
    if recipe.calibration is not None:
        given = recipe.calibration.model_dump()
        watched = given.pop("models")
        own = {named[one]: task for one, task in watched.items()}
        space["calibration"] = given | {"parents": own}
    return space


def _check_fields(recipe: Recipe) -> None:
    """Raises RecipeError for what a search by parameters has no place for."""
    if recipe.merge_method == "passthrough":
        message = "'passthrough' stacks layers: a search by parameters cannot start from that"
        raise RecipeError("merge_method", message)
    if recipe.tokenizer_source not in (None, "base"):
        message = f"{recipe.tokenizer_source!r}: children of a search have the base's tokens"
        raise RecipeError("tokenizer_source", message)


def _is_searched(method: Method, one: Parameter) -> bool:
    settled = method.statistic is not None and one.name in method.statistic.settings
    return one.kind == "number" and one.search is not None and not settled


def _settled(one: Parameter, values: Values) -> dict[str, Any]:
    """The one value of a parameter that is not searched."""
    there = {number for numbers in values.values() for number in numbers}
    if len(there) > 1:
        listed = ", ".join(sorted(map(str, there)))
        message = f"is not searched, so it must be one value throughout, not {listed}"
        raise RecipeError(f"parameters.{one.name}", message)
    value = there.pop() if there else None
    return {} if value is None else {one.name: value}


def _start(
    one: Parameter, numbers: Sequence[Scalar | None], found: Groups, copies: int
) -> float | list[float]:
    """One number where all are equal, else one a gene group; `copies` of those of the layers."""
    given = [_number(one, number) for number in numbers]
    if len(set(given)) == 1:
        return given[0]
    if not one.varies:
        raise RecipeError(f"parameters.{one.name}", "must be one value for all layers")
    outside = 1 + len(found.tensor_groups)
    return [*given[:-outside] * copies, *given[-outside:]]


def _range(one: Parameter, values: Values, start: float | list[float] | None) -> dict[str, Any]:
    """The method's own range, as far wider as the recipe's values need it."""
    assert one.search is not None
    given = [_number(one, number) for numbers in values.values() for number in numbers]
    return {
        "low": min(one.search.low, *given),
        "high": max(one.search.high, *given),
        "initial": one.search.initial if start is None else start,
    }


def _number(one: Parameter, value: Scalar | None) -> float:
    if value is None or isinstance(value, bool | str):
        raise RecipeError(f"parameters.{one.name}", "must be a number for every model")
    return float(value)


def _aliases(references: Mapping[str, str]) -> dict[str, str]:
    """A short name for each model: the last part of its reference, numbered where two share it."""
    found: dict[str, str] = {}
    for name, ref in references.items():
        last = ref.partition("@")[0].rstrip("/").rpartition("/")[2]
        word = _WORD.sub("-", last).strip("-_")[:48] or "model"
        alias, number = word, 2
        while alias in found.values():
            alias, number = f"{word}-{number}", number + 1
        found[name] = alias
    return found
