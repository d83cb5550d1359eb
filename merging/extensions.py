"""What of a recipe mergekit does not have, in sentences for whoever runs it there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from merging.recipe import Recipe

OWN_METHODS = frozenset(
    {
        *("adamerging", "average", "consensus", "fisher", "layer_swap", "moe_merge"),
        *("opcm", "pcb", "twin"),
    }
)
"""Methods that mergekit (0.1.5) has nothing like."""

_SCALED = "input_scale is Cuvee's own: mergekit passes over it, and makes another model."
_CALIBRATED = "The method and its calibration are Cuvee's own: mergekit has nothing like them."


def extensions(recipe: Recipe) -> list[str]:
    """A sentence for everything in the recipe that mergekit lacks, or takes for something else."""
    found = []
    if any("input_scale" in scope for scope in _scopes(recipe)):
        found.append(_SCALED)
    if recipe.calibration is not None:
        found.append(_CALIBRATED)
    elif recipe.merge_method in OWN_METHODS:
        found.append(f"{recipe.merge_method} is Cuvee's own: mergekit has no such method.")
    if any("random_seed" in scope for scope in _scopes(recipe)):
        found.append("random_seed is Cuvee's own: mergekit passes over it, and draws other masks.")
    return found


def _scopes(recipe: Recipe) -> Iterator[Mapping[str, Any]]:
    yield recipe.parameters
    for entry in recipe.models or ():
        yield entry.parameters
    for part in recipe.slices or ():
        yield part.parameters
        for source in part.sources:
            yield source.parameters
