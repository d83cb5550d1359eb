"""Which statistics a recipe needs, and what they depend on; plain data, no torch."""

from __future__ import annotations

from merging.catalogue import get_method
from merging.recipe import Recipe
from merging.values import Choice

Setting = str | int | float


def models_of(recipe: Recipe) -> list[str]:
    """The models that the recipe's statistics are of: all that take part, but not the base."""
    base = recipe.base_model if get_method(recipe.merge_method).base != "none" else None
    return [name for name in recipe.model_names() if name != base]


def preparations(recipe: Recipe) -> list[str | None]:
    """What must be computed before the recipe can be merged, each by itself: the statistics of a
    model, or, None, those of all models together. Empty for a method that needs none."""
    statistic = get_method(recipe.merge_method).statistic
    if statistic is None:
        return []
    return [None] if statistic.joint else [*models_of(recipe)]


def settings_of(recipe: Recipe) -> dict[str, Setting]:
    """The values of the parameters that the recipe's statistics depend on."""
    method = get_method(recipe.merge_method)
    found: dict[str, Setting] = {}
    for name in method.statistic.settings if method.statistic is not None else ():
        parameter = method.parameter(name)
        assert parameter is not None
        value = recipe.parameters.get(name, parameter.default)
        # They hold for the whole model: `check_recipe` sees to it.
        assert value is not None
        assert not isinstance(value, tuple | Choice)
        found[name] = value
    return found
