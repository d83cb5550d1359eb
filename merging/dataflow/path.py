"""The path that a recipe writes down."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from merging.errors import RecipeError
from merging.recipe import Recipe, Source
from merging.values import Choice, Setting, resolve

MAX_HOPS = 1024

SMALLEST, LARGEST = 1 / 16, 16.0
"""How small and large the product of a path's scales may get, up to any hop and without its sign,
if it is to be folded into weights (`merging.dataflow.fold`)."""


@dataclass(frozen=True)
class Hop:
    """One visit to a block: which layer of which model, and the factor on the residual stream as
    it enters."""

    model: str
    layer: int
    scale: float


@dataclass(frozen=True)
class Path:
    """Hops in order. The embeddings are the first hop's model's; the final norm and the head, where
    it is not tied to the embeddings, are the last one's, as in mergekit. The head is tied where the
    first and the last model's are."""

    hops: tuple[Hop, ...]

    @property
    def first(self) -> str:
        """The model of the first hop."""
        return self.hops[0].model

    @property
    def last(self) -> str:
        """The model of the last hop."""
        return self.hops[-1].model

    @property
    def models(self) -> tuple[str, ...]:
        """The models on the path, in order of appearance."""
        return tuple(dict.fromkeys(hop.model for hop in self.hops))


def read_path(recipe: Recipe) -> Path | None:
    """The path that the recipe stands for; None if it merges in parameter space.

    Raises RecipeError where a slice has several sources, a weight is to be scaled, an
    `input_scale` is no plain number or 0, or there are more than `MAX_HOPS` hops.
    """
    if recipe.merge_method != "passthrough" or recipe.slices is None:
        return None
    hops: list[Hop] = []
    for number, part in enumerate(recipe.slices):
        field = f"slices[{number}].sources"
        if len(part.sources) != 1:
            message = f"a passthrough takes one source a slice, not {len(part.sources)}"
            raise RecipeError(field, message)
        source = part.sources[0]
        for scope in (source.parameters, part.parameters, recipe.parameters):
            if "scale" in scope:
                message = "scales weights, which a path through blocks shares; use input_scale"
                raise RecipeError(f"{field}[0].parameters.scale", message)
        given = source.parameters.get("input_scale", part.parameters.get("input_scale"))
        setting = recipe.parameters.get("input_scale", 1.0) if given is None else given
        hops += _hops(f"{field}[0].parameters.input_scale", source, setting)
    if len(hops) > MAX_HOPS:
        raise RecipeError("slices", f"{len(hops)} hops are more than the {MAX_HOPS} allowed")
    return Path(tuple(hops))


def _hops(field: str, source: Source, setting: Setting) -> Iterator[Hop]:
    if isinstance(setting, Choice):
        raise RecipeError(field, "must be a number, or a list of them: it belongs to no tensor")
    start, end = source.layer_range
    for layer in range(start, end):
        t = (layer - start) / (end - start - 1) if end - start > 1 else 1.0
        scale = resolve(setting, "", t)
        if isinstance(scale, bool | str) or scale is None:
            raise RecipeError(field, f"must be a number, not {scale}")
        if scale == 0 or not math.isfinite(scale):
            raise RecipeError(field, "must not be 0, which would forget all that came before")
        yield Hop(source.model, layer, float(scale))
