"""A recipe as a picture: numbers by layer and parent, or a path through blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from pydantic import BaseModel, Field

from merging.catalogue import get_method
from merging.dataflow.path import Path, read_path
from merging.layout import Block, Layout, lay_out
from merging.method import Parameter
from merging.recipe import Recipe
from merging.values import Scalar, gradients

# Tensors that stand for their kind where kinds have numbers of their own.
_MODULES = {
    "attention": "self_attn.q_proj.weight",
    "MLP": "mlp.up_proj.weight",
    "norms": "input_layernorm.weight",
}
_BEFORE = {"embeddings": "model.embed_tokens.weight"}
_AFTER = {"final norm": "model.norm.weight", "head": "lm_head.weight"}

Cell = Scalar | None
Row = tuple[str, tuple[Cell, ...]]


class Grid(BaseModel):
    """One parameter of the method: a number for every row and parent."""

    name: str
    summary: str
    columns: list[str]
    rows: list[str] = Field(description="From the embeddings up to the head.")
    values: list[list[bool | float | str | None]] = Field(description="By row, then by column.")


class HopView(BaseModel):
    """One visit to a block."""

    model: str
    layer: int
    scale: float


class Picture(BaseModel):
    """Grids of what is merged, or the hops of a path; one of them is empty."""

    method: str
    base: str | None
    grids: list[Grid]
    hops: list[HopView]


def picture(
    recipe: Recipe, depth: int | None, name: Callable[[str], str], *, head: bool = True
) -> Picture:
    """The picture of a recipe.

    `depth` is the number of layers of a recipe over whole models; where None, the longest gradient
    decides. `name` gives a model's name in words. `head`: whether the models have one of their own.
    """
    path = read_path(recipe)
    grids = [] if path is not None else list(_grids(recipe, depth, name, head=head))
    return Picture(
        method=recipe.merge_method,
        base=None if recipe.base_model is None else name(recipe.base_model),
        grids=grids,
        hops=[] if path is None else _hops(path, name),
    )


def _hops(path: Path, name: Callable[[str], str]) -> list[HopView]:
    return [HopView(model=name(hop.model), layer=hop.layer, scale=hop.scale) for hop in path.hops]


def _grids(
    recipe: Recipe, depth: int | None, name: Callable[[str], str], *, head: bool
) -> Iterator[Grid]:
    layout = lay_out(recipe, _depth(recipe, depth))
    given = _given(recipe)
    for parameter in get_method(recipe.merge_method).parameters:
        if parameter.kind == "seed" or parameter.name not in given:
            continue
        columns = _columns(recipe, layout, parameter)
        rows = _rows(layout, parameter, columns)
        rows = rows if head else rows[:-1]
        yield Grid(
            name=parameter.name,
            summary=parameter.summary,
            columns=[name(column) for column in columns] if parameter.per_parent else ["all"],
            rows=[label for label, _ in rows],
            values=[list(cells) for _, cells in rows],
        )


def _depth(recipe: Recipe, depth: int | None) -> int:
    if recipe.slices is not None:
        first = [part.sources[0].layer_range for part in recipe.slices]
        return sum(end - start for start, end in first)
    if depth is not None:
        return depth
    scopes = [recipe.parameters, *(entry.parameters for entry in recipe.models or ())]
    settings = [value for scope in scopes for value in scope.values()]
    return max((len(one) for value in settings for one in gradients(value)), default=1)


def _given(recipe: Recipe) -> set[str]:
    scopes: list[Mapping[str, object]] = [recipe.parameters]
    scopes += [entry.parameters for entry in recipe.models or ()]
    for part in recipe.slices or ():
        scopes += [part.parameters, *(source.parameters for source in part.sources)]
    return {name for scope in scopes for name in scope}


def _columns(recipe: Recipe, layout: Layout, parameter: Parameter) -> tuple[str, ...]:
    """The models that have a number of their own; what is shared has one for all."""
    if not parameter.per_parent:
        return ("",)
    blocks = (layout.before, *layout.layers, layout.after)
    models = dict.fromkeys(entry.model for block in blocks for entry in block.inputs)
    if get_method(recipe.merge_method).base != "none":
        models.pop(recipe.base_model or "", None)
    return tuple(models)


def _rows(layout: Layout, parameter: Parameter, columns: tuple[str, ...]) -> list[Row]:
    def cells(block: Block, tensor: str) -> tuple[Cell, ...]:
        return tuple(_cell(block, parameter, column, tensor) for column in columns)

    layers = [
        {kind: cells(block, f"model.layers.{number}.{tensor}") for kind, tensor in _MODULES.items()}
        for number, block in enumerate(layout.layers)
    ]
    alike = all(len(set(kinds.values())) == 1 for kinds in layers)
    rows = [(label, cells(layout.before, tensor)) for label, tensor in _BEFORE.items()]
    for number, kinds in enumerate(layers):
        if alike:
            rows.append((f"layer {number}", kinds["attention"]))
        else:
            rows += [(f"layer {number}, {kind}", values) for kind, values in kinds.items()]
    return rows + [(label, cells(layout.after, tensor)) for label, tensor in _AFTER.items()]


def _cell(block: Block, parameter: Parameter, column: str, tensor: str) -> Cell:
    if not parameter.per_parent:
        value = block.shared(parameter.name, tensor)
        return parameter.default if value is None else value
    for number, entry in enumerate(block.inputs):
        if entry.model == column:
            value = block.of_input(number, parameter.name, tensor)
            return parameter.default if value is None else value
    return None
