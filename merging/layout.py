"""Where each tensor of the child comes from: which layer of which parent, and at which depth.

As in mergekit 0.1.5: along a slice of n layers `t` runs from 0 to 1 in steps of 1/(n-1), a slice
of one layer is at 1, and whatever lies outside the layers is at 0: the embeddings under the
parameters of the first slice, the final norm and the head under those of the last.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from merging.errors import RecipeError
from merging.recipe import Recipe
from merging.values import Scalar, Setting, resolve

Scope = Mapping[str, Setting]
Span = Sequence[tuple[str, int, Scope]]

_LAYER = re.compile(r"^((?:.*?\.)?(?:layers|h|blocks)\.)(\d+)(?=\.)")
# Names are taken apart again for every candidate; more than a large model has are not kept.
_NAMES = 1 << 16
_BEFORE_LAYERS = re.compile(r"(^|\.)(embed_tokens|embed_in|embed_positions|wte|wpe)\.")


@dataclass(frozen=True)
class Input:
    """One model at one block: its layer there, and its parameters, the first scope winning."""

    model: str
    layer: int
    scopes: tuple[Scope, ...]


@dataclass(frozen=True)
class Block:
    """One layer of the child, or what lies before or after the layers, with its inputs.

    `scopes` are those of the parameters that the inputs share.
    """

    t: float
    inputs: tuple[Input, ...]
    scopes: tuple[Scope, ...]

    def shared(self, name: str, tensor_name: str) -> Scalar | None:
        """The value of a shared parameter; None if no scope sets it for this tensor."""
        return _first(self.scopes, name, tensor_name, self.t)

    def of_input(self, number: int, name: str, tensor_name: str) -> Scalar | None:
        """The value of a parameter of one input; `tensor_name` is the name in that input."""
        return _first(self.inputs[number].scopes, name, tensor_name, self.t)


@dataclass(frozen=True)
class Layout:
    """The blocks of a child, from the embeddings to the head."""

    before: Block
    layers: tuple[Block, ...]
    after: Block

    def block(self, tensor_name: str) -> Block:
        """The block that a tensor of the child belongs to."""
        layer = layer_of(tensor_name)
        if layer is not None:
            return self.layers[layer]
        return self.before if _BEFORE_LAYERS.search(tensor_name) else self.after


@lru_cache(maxsize=_NAMES)
def layer_of(tensor_name: str) -> int | None:
    """The layer's number in a tensor's name; None for what lies outside the layers."""
    found = _LAYER.match(tensor_name)
    return int(found[2]) if found else None


@lru_cache(maxsize=_NAMES)
def at_layer(tensor_name: str, layer: int) -> str:
    """The tensor's name with another layer's number; unchanged outside the layers."""
    return _LAYER.sub(lambda found: f"{found[1]}{layer}", tensor_name)


def lay_out(recipe: Recipe, num_layers: int) -> Layout:
    """The blocks of a child of `num_layers` layers.

    In the form `models`, the base takes part at every layer, listed or not. Raises RecipeError
    where the slices do not add up to `num_layers`, or the sources of one differ in length.
    """
    spans: list[Span] = []
    if recipe.models is not None:
        listed = {entry.model: entry.parameters for entry in recipe.models}
        if recipe.base_model is not None:
            listed.setdefault(recipe.base_model, {})
        spans.append([(name, 0, parameters) for name, parameters in listed.items()])
        return _assemble(spans, [num_layers], [(recipe.parameters,)])
    lengths: list[int] = []
    scopes: list[tuple[Scope, ...]] = []
    for number, part in enumerate(recipe.slices or ()):
        sizes = [end - start for start, end in (one.layer_range for one in part.sources)]
        if len(set(sizes)) > 1:
            listed_sizes = " and ".join(str(size) for size in dict.fromkeys(sizes))
            message = f"the sources of a slice must be of one length, not {listed_sizes} layers"
            raise RecipeError(f"slices[{number}].sources", message)
        spans.append([(one.model, one.layer_range[0], one.parameters) for one in part.sources])
        lengths.append(sizes[0])
        scopes.append((part.parameters, recipe.parameters))
    if sum(lengths) != num_layers:
        message = f"slices must add up to {num_layers} layers, not {sum(lengths)}"
        raise RecipeError("slices", message)
    return _assemble(spans, lengths, scopes)


def _assemble(
    spans: Sequence[Span], lengths: Sequence[int], slice_scopes: Sequence[tuple[Scope, ...]]
) -> Layout:
    def block(number: int, offset: int, t: float) -> Block:
        scopes = slice_scopes[number]
        inputs = tuple(
            Input(model, start + offset, (parameters, *scopes))
            for model, start, parameters in spans[number]
        )
        return Block(t, inputs, scopes)

    layers = [
        block(number, offset, offset / (length - 1) if length > 1 else 1.0)
        for number, length in enumerate(lengths)
        for offset in range(length)
    ]
    return Layout(block(0, 0, 0.0), tuple(layers), block(len(lengths) - 1, 0, 0.0))


def _first(scopes: tuple[Scope, ...], name: str, tensor_name: str, t: float) -> Scalar | None:
    for scope in scopes:
        if name in scope:
            value = resolve(scope[name], tensor_name, t)
            if value is not None:
                return value
    return None
