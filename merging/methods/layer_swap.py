"""Layer swapping: the outer layers of one expert around the inner ones of another (Bandarkar et
al., arXiv 2410.01335)."""

from __future__ import annotations

from collections.abc import Sequence

from merging.errors import RecipeError
from merging.method import Method, Parameter, SearchRange, Value
from merging.recipe import ModelEntry, Recipe
from merging.values import Choice, Conditional, Setting

# What the names of layers' tensors hold, and no others (see `merging.layout`).
LAYER_FILTERS = ("layers.", "h.", "blocks.")


def _width(name: str, default: int | None, summary: str, high: float) -> Parameter:
    search = SearchRange(0.0, high, 1.0)
    return Parameter(name, False, default, 0.0, None, summary, "whole", varies=False, search=search)


# In the order in which they take layers.
WIDTHS = (
    _width("bottom", None, "how many layers from the first are the second model's", 12.0),
    _width("top", None, "how many layers up to the last are the second model's", 8.0),
    _width("bottom_transition", 1, "how many layers after the bottom ones are averaged", 4.0),
    _width("top_transition", 1, "how many layers before the top ones are averaged", 4.0),
)
TRANSITION_WEIGHT = Parameter(
    "transition_weight",
    False,
    0.5,
    0.0,
    1.0,
    "share of the second model in an averaged layer",
    varies=False,
    search=SearchRange(0.0, 1.0, 0.5),
)
OUTSIDE = Parameter(
    "outside",
    False,
    "second",
    None,
    None,
    "which model the embeddings, the final norm and the head are taken from",
    "choice",
    choices=("first", "second"),
    varies=False,
)


def expand(recipe: Recipe, num_layers: int) -> Recipe:
    """The same child as a `linear` merge, with one weight a layer; mergekit reads it too.

    The first model is the expert of the inner layers (the paper's: of mathematics), the second
    that of the outer ones (of the language). From below, `bottom` layers are the second model's,
    `bottom_transition` averages of both, then the first model's, `top_transition` averages, and
    the last `top` the second model's.

    Where the widths are more than the layers together, they take what is left in the order bottom,
    top, bottom_transition, top_transition, so that any numbers a search draws make a child. Raises
    RecipeError where one of them alone is more than the layers, or the recipe is made of slices.
    """
    if recipe.models is None:
        raise RecipeError("slices", f"method {recipe.merge_method!r} takes whole models")
    widths = _widths(recipe, num_layers)
    share = float(_given(recipe, TRANSITION_WEIGHT))
    second = [
        *[1.0] * widths["bottom"],
        *[share] * widths["bottom_transition"],
        *[0.0] * (num_layers - sum(widths.values())),
        *[share] * widths["top_transition"],
        *[1.0] * widths["top"],
    ]
    outside = float(_given(recipe, OUTSIDE) == "second")
    weights = (_weight([1 - one for one in second], 1 - outside), _weight(second, outside))
    models = tuple(
        ModelEntry(model=entry.model, parameters={"weight": weight})
        for entry, weight in zip(recipe.models, weights, strict=True)
    )
    return recipe.model_copy(update={"merge_method": "linear", "models": models, "parameters": {}})


def _widths(recipe: Recipe, num_layers: int) -> dict[str, int]:
    left = num_layers
    widths = {}
    for parameter in WIDTHS:
        wanted = int(_given(recipe, parameter))
        if wanted > num_layers:
            message = f"must be at most {num_layers}, the number of layers, not {wanted}"
            raise RecipeError(f"parameters.{parameter.name}", message)
        widths[parameter.name] = min(wanted, left)
        left -= widths[parameter.name]
    return widths


def _given(recipe: Recipe, parameter: Parameter) -> Value:
    value: Setting | None = recipe.parameters.get(parameter.name, parameter.default)
    assert value is not None
    assert not isinstance(value, tuple | Choice)
    return value


def _weight(layers: Sequence[float], outside: float) -> Choice:
    inside = [Conditional(tuple(layers), name) for name in LAYER_FILTERS]
    return Choice((*inside, Conditional(outside)))


METHOD = Method(
    name="layer_swap",
    form="procedure",
    summary="the first model's inner layers between the second model's outer ones",
    source="Layer swapping, arXiv 2410.01335",
    base="none",
    min_parents=2,
    max_parents=2,
    parameters=(*WIDTHS, TRANSITION_WEIGHT, OUTSIDE),
    expand=expand,
)
