"""What a recipe's parameters are at each tensor, put into gene groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from merging.checkpoint import CheckpointInfo
from merging.errors import RecipeError
from merging.layout import Layout, lay_out, layer_of
from merging.method import Parameter
from merging.recipe import Recipe
from merging.values import Choice, Scalar
from search.groups import Grouping

Owner = str | None
Numbers = Sequence[Scalar | None]


@dataclass(frozen=True)
class Groups:
    """Gene groups in which every value of a recipe is one.

    Layer groups are lengths of runs from the bottom up; each has the module groups and then the
    rest, if there are any. After them come the embeddings, then the tensor groups. `values` holds
    one value a group, by owner (a model, or None for the whole merge) and parameter.
    """

    layer_groups: tuple[int, ...]
    module_groups: tuple[str, ...]
    tensor_groups: tuple[str, ...]
    values: Mapping[tuple[Owner, str], Numbers]


def grouped(
    recipe: Recipe, parents: Sequence[str], parameters: Sequence[Parameter], like: CheckpointInfo
) -> Groups:
    """The coarsest gene groups that hold all of the recipe's values, for models shaped `like` one.

    A parameter that nothing sets has its default. Raises RecipeError where layers of different
    depth are merged, or tensors of one group have different values.
    """
    layout = lay_out(recipe, like.num_layers)
    _check_depths(layout)
    modules, tensors = _filters(recipe, like)
    fine = Grouping.of(
        like.num_layers,
        [1] * like.num_layers,
        modules,
        tensors,
        embeddings=True,
        tied_embeddings=like.tied_embeddings,
    )
    values = {
        (owner, one.name): _by_group(fine, like, one, _reader(layout, owner, one))
        for one in parameters
        for owner in (parents if one.per_parent else [None])
    }
    width = len(modules) + 1 if modules else 1
    runs = _runs(list(values.values()), like.num_layers, width)
    starts = [sum(runs[:index]) for index in range(len(runs))]
    places = [start * width + module for start in starts for module in range(width)]
    places += range(like.num_layers * width, len(fine.names))
    kept = {key: [numbers[place] for place in places] for key, numbers in values.items()}
    return Groups(tuple(runs), modules, tensors, kept)


def _reader(layout: Layout, owner: Owner, one: Parameter) -> Callable[[str], Scalar | None]:
    def read(tensor: str) -> Scalar | None:
        block = layout.block(tensor)
        if owner is None:
            value = block.shared(one.name, tensor)
        else:
            models = [given.model for given in block.inputs]
            value = block.of_input(models.index(owner), one.name, tensor)
        return one.default if value is None else value

    return read


def _by_group(
    fine: Grouping, like: CheckpointInfo, one: Parameter, read: Callable[[str], Scalar | None]
) -> Numbers:
    found: dict[int, Scalar | None] = {}
    for tensor in like.tensors:
        group = fine.group_of(tensor)
        assert group is not None, "every tensor outside the blocks is in one group"
        value = read(tensor)
        if found.setdefault(group, value) != value:
            message = f"is {found[group]} and, at {tensor}, {value} within {fine.names[group]}"
            raise RecipeError(f"parameters.{one.name}", f"{message}: no gene group holds both")
    # A group without a tensor has whatever its neighbour has.
    last = found[min(found)]
    numbers = []
    for group in range(len(fine.names)):
        last = found.get(group, last)
        numbers.append(last)
    return numbers


def _runs(values: Sequence[Numbers], num_layers: int, width: int) -> list[int]:
    """The lengths of runs of layers that have the same values throughout."""

    def layer(index: int) -> list[Numbers]:
        return [one[index * width : (index + 1) * width] for one in values]

    runs = [1]
    for index in range(1, num_layers):
        if layer(index) == layer(index - 1):
            runs[-1] += 1
        else:
            runs.append(1)
    return runs


def _filters(recipe: Recipe, like: CheckpointInfo) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Filters that tell the tensors of a block apart, and those that meet only what lies outside
    the blocks, in the order of the recipe."""
    scopes = [recipe.parameters, *(entry.parameters for entry in recipe.models or ())]
    for part in recipe.slices or ():
        scopes += [part.parameters, *(source.parameters for source in part.sources)]
    filters = dict.fromkeys(
        entry.filter
        for scope in scopes
        for setting in scope.values()
        if isinstance(setting, Choice)
        for entry in setting.entries
        if entry.filter != "*"
    )
    inside = [tensor for tensor in like.tensors if layer_of(tensor) is not None]
    met = {one: sum(one in tensor for tensor in inside) for one in filters}
    modules = tuple(one for one in filters if 0 < met[one] < len(inside))
    outside = tuple(
        one for one in filters if met[one] == 0 and any(one in tensor for tensor in like.tensors)
    )
    return modules, outside


def _check_depths(layout: Layout) -> None:
    for index, block in enumerate(layout.layers):
        for one in block.inputs:
            if one.layer != index:
                message = f"layer {one.layer} of {one.model!r} becomes layer {index}"
                message += ": a search by parameters moves no layers"
                raise RecipeError("slices", message)
