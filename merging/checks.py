"""Everything that can be wrong with a recipe, found before a weight is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from merging.catalogue import get_method
from merging.dataflow.blocks import check_blocks, check_scales
from merging.dataflow.path import Path, read_path
from merging.errors import CheckpointError, RecipeError
from merging.heads import with_child_heads
from merging.layout import Scope, at_layer, lay_out, layer_of
from merging.method import Method, Parameter
from merging.moe.layout import expert_blocks
from merging.recipe import Recipe
from merging.values import Choice, Scalar, Setting, gradients
from merging.vocabulary import UNION, tokens_of

if TYPE_CHECKING:
    from merging.checkpoint import CheckpointInfo


def check_recipe(
    recipe: Recipe, parents: Mapping[str, CheckpointInfo], *, like: str | None = None
) -> None:
    """Raise RecipeError on the first field that is wrong; `parents` are the models there are.

    The child is to have the layers and shapes of the model `like`, by default of the base, or
    of the first model where there is none. Only some of them may tie their head to their embeddings
    (see `merging.heads`).

    A gradient may have one knot, a knot a layer, or any number between, but no more knots than
    the child has layers: mergekit takes longer lists too, but then some knots would never be
    read, which is most likely a list made for another model.
    """
    method = get_method(recipe.merge_method)
    _check_models(recipe, method, parents)
    parents = with_child_heads(recipe, parents)
    like = like or recipe.base_model or recipe.model_names()[0]
    depth = parents[like].num_layers
    path = read_path(recipe)
    if path is not None:
        depth, like = len(path.hops), path.first
    elif method.name == "passthrough" and "input_scale" in _given(recipe):
        raise RecipeError("parameters.input_scale", "belongs to slices, of which there are none")
    for field, scope, of_parent in _scopes(recipe):
        for name, value in scope.items():
            _check_parameter(method, f"{field}.{name}", name, of_parent)
            parameter = method.parameter(name)
            assert parameter is not None
            _check_setting(f"{field}.{name}", parameter, value, depth)
    _check_required(recipe, method)
    lay_out(recipe, depth)
    _check_shapes(recipe, parents, like, path)
    if path is not None:
        check_scales(path, parents[like].config)
        for field, name, _ in _references(recipe):
            check_blocks(field, name, parents[name].config, like, parents[like].config)
    _check_tokenizer(recipe, parents, path)
    _check_calibration(recipe, method, parents)
    if method.expand is not None:
        check_recipe(method.expand(recipe, depth), parents, like=like)


def _check_models(recipe: Recipe, method: Method, parents: Mapping[str, CheckpointInfo]) -> None:
    for field, name, _ in _references(recipe):
        if name not in parents:
            known = ", ".join(parents)
            raise RecipeError(field, f"there is no model {name!r}; there are: {known}")
    base = recipe.base_model
    if method.base == "required" and base is None:
        raise RecipeError("base_model", f"method {method.name!r} needs a base model")
    for field, names in _groups(recipe):
        if base is not None and base not in names and (recipe.slices or method.base == "none"):
            reason = (
                "must list the base model with its layers"
                if method.base != "none"
                else f"must list the base model too: method {method.name!r} merges it as any other"
            )
            raise RecipeError(field, f"{reason} ({base!r})")
        count = len([name for name in names if method.base == "none" or name != base])
        most = method.max_parents
        if count < method.min_parents or (most is not None and count > most):
            besides = " besides the base" if base is not None and method.base != "none" else ""
            wanted = str(most) if most == method.min_parents else f"at least {method.min_parents}"
            message = f"method {method.name!r} takes {wanted} model(s){besides}, not {count}"
            raise RecipeError(field, message)


def _check_parameter(method: Method, field: str, name: str, of_parent: bool) -> None:
    parameter = method.parameter(name)
    if parameter is None:
        known = ", ".join(one.name for one in method.parameters)
        message = f"method {method.name!r} has no parameter {name!r}; there are: {known}"
        raise RecipeError(field, message)
    if of_parent and not parameter.per_parent:
        message = "belongs to the whole merge: give it under the recipe's own parameters"
        raise RecipeError(field, message)


def _check_setting(field: str, parameter: Parameter, value: Setting, depth: int) -> None:
    if not parameter.varies and isinstance(value, Choice | tuple):
        raise RecipeError(field, "must be one value for the whole model")
    for gradient in gradients(value):
        if len(gradient) > depth:
            message = f"has {len(gradient)} values, more than the {depth} layers"
            raise RecipeError(field, message)
        if len(gradient) > 1 and parameter.kind == "whole":
            raise RecipeError(field, "must be a whole number, which no gradient keeps")
        for knot in gradient:
            _check_value(field, parameter, knot)


def _check_value(field: str, parameter: Parameter, value: Scalar) -> None:
    if parameter.kind == "choice":
        if value not in parameter.choices:
            raise RecipeError(field, f"must be one of {', '.join(parameter.choices)}, not {value}")
        return
    if parameter.kind == "switch":
        if not isinstance(value, bool):
            raise RecipeError(field, f"must be true or false, not {value}")
        return
    if isinstance(value, bool | str):
        raise RecipeError(field, f"must be a number, not {str(value).lower()}")
    if parameter.kind in ("seed", "whole") and value != int(value):
        raise RecipeError(field, f"must be a whole number, not {value}")
    if parameter.low is not None and value < parameter.low:
        raise RecipeError(field, f"must be at least {parameter.low:g}, not {value}")
    if parameter.high is not None and value > parameter.high:
        raise RecipeError(field, f"must be at most {parameter.high:g}, not {value}")


def _check_required(recipe: Recipe, method: Method) -> None:
    given = _given(recipe)
    for parameter in method.parameters:
        if parameter.default is None and parameter.name not in given:
            field = f"parameters.{parameter.name}"
            raise RecipeError(field, f"method {method.name!r} needs it: {parameter.summary}")


def _given(recipe: Recipe) -> set[str]:
    """The parameters that the recipe sets anywhere."""
    return {name for _, scope, _ in _scopes(recipe) for name in scope}


def _check_shapes(
    recipe: Recipe, parents: Mapping[str, CheckpointInfo], like: str, path: Path | None
) -> None:
    """All models must have the same tensors, in the same shapes, but may differ in depth where
    a slice says which layers to take. Of models between a path's ends only blocks count."""
    reference = parents[like]
    for field, name, layers in _references(recipe):
        other = parents[name]
        whole = path is None or name in (path.first, path.last)
        if layers is None and other.num_layers != reference.num_layers:
            message = f"{name!r} has {other.num_layers} layers, {like!r} {reference.num_layers}"
            raise RecipeError(field, message)
        if layers is not None and layers[1] > other.num_layers:
            message = f"layer_range ends at {layers[1]}, but {name!r} has {other.num_layers} layers"
            raise RecipeError(field.replace(".model", ".layer_range"), message)
        if whole and other.tied_embeddings != reference.tied_embeddings:
            message = f"of {name!r} and {like!r} only one ties its embeddings to a known head"
            raise RecipeError(field, message)
        for tensor, wanted in reference.tensors.items():
            if not whole and layer_of(tensor) is None:
                continue
            mapped = _within(tensor, other.num_layers)
            found = other.tensors.get(mapped)
            if found is None:
                raise RecipeError(field, f"{name!r} has no tensor {mapped!r}, which {like!r} has")
            if found.shape != wanted.shape:
                shapes = f"{_shape(found.shape)} in {name!r} but {_shape(wanted.shape)} in {like!r}"
                raise RecipeError(field, f"tensor {mapped!r} is {shapes}")
        for tensor in other.tensors:
            counts = whole or layer_of(tensor) is not None
            if counts and _within(tensor, reference.num_layers) not in reference.tensors:
                raise RecipeError(field, f"{name!r} has a tensor {tensor!r}, {like!r} has none")


def _within(tensor: str, num_layers: int) -> str:
    """The tensor's name, of the last layer where there is no layer of that number."""
    depth = layer_of(tensor)
    return tensor if depth is None else at_layer(tensor, min(depth, num_layers - 1))


def _check_tokenizer(
    recipe: Recipe, parents: Mapping[str, CheckpointInfo], path: Path | None
) -> None:
    source = recipe.tokenizer_source
    if source == UNION and source not in recipe.model_names():
        if path is not None:
            message = "is 'union', but a path has the tokens of its first model"
            raise RecipeError("tokenizer_source", message)
    elif source is not None and source != "base" and source not in recipe.model_names():
        message = f"must be 'base', 'union' or a model of the recipe, not {source!r}"
        raise RecipeError("tokenizer_source", message)
    if source == "base" and recipe.base_model is None:
        raise RecipeError("tokenizer_source", "is 'base', but there is no base_model")
    if path is not None and not parents[path.first].tied_embeddings:
        first, last = (tokens_of(parents[name]) for name in (path.first, path.last))
        if first is not None and last is not None and first.digest != last.digest:
            message = f"{path.last!r}, which gives the head, has other tokens than {path.first!r}"
            raise RecipeError("slices", message)


def _check_calibration(
    recipe: Recipe, method: Method, parents: Mapping[str, CheckpointInfo]
) -> None:
    calibration = recipe.calibration
    if method.statistic is None:
        if calibration is not None:
            raise RecipeError("calibration", f"method {method.name!r} looks at no texts")
        return
    if calibration is None:
        raise RecipeError("calibration", f"method {method.name!r} needs it: texts to look at")
    for model in calibration.models:
        if model not in recipe.model_names():
            raise RecipeError(f"calibration.models.{model}", "is no model of the recipe")
    if method.statistic.kind == "routing":
        for field, name, _ in _references(recipe):
            _check_experts(field, parents[name])


def _check_experts(field: str, model: CheckpointInfo) -> None:
    try:
        expert_blocks(model.tensors)
    except CheckpointError as error:
        raise RecipeError(field, str(error)) from None


def _groups(recipe: Recipe) -> Iterator[tuple[str, list[str]]]:
    """The models that are merged together, once for `models` or once a slice."""
    if recipe.models is not None:
        yield "models", [entry.model for entry in recipe.models]
    for number, part in enumerate(recipe.slices or ()):
        yield f"slices[{number}].sources", [source.model for source in part.sources]


def _references(recipe: Recipe) -> Iterator[tuple[str, str, tuple[int, int] | None]]:
    """Every field that names a model, the model, and its layers if they are named."""
    if recipe.base_model is not None:
        yield "base_model", recipe.base_model, (0, 0) if recipe.slices else None
    for index, entry in enumerate(recipe.models or ()):
        yield f"models[{index}].model", entry.model, None
    for number, part in enumerate(recipe.slices or ()):
        for index, source in enumerate(part.sources):
            field = f"slices[{number}].sources[{index}].model"
            yield field, source.model, source.layer_range


def _scopes(recipe: Recipe) -> Iterator[tuple[str, Scope, bool]]:
    """Every field that holds parameters, and whether they are one parent's."""
    yield "parameters", recipe.parameters, False
    for index, entry in enumerate(recipe.models or ()):
        yield f"models[{index}].parameters", entry.parameters, True
    for number, part in enumerate(recipe.slices or ()):
        yield f"slices[{number}].parameters", part.parameters, False
        for index, source in enumerate(part.sources):
            yield f"slices[{number}].sources[{index}].parameters", source.parameters, True


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(str(size) for size in shape) or "scalar"
