"""Which genes a method has, and over which range each kind is searched unless a spec says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from merging.catalogue import Method, get_method
from merging.errors import RecipeError

if TYPE_CHECKING:
    from search.spec import GeneRange, ParameterSpaceSpec

Bounds = tuple[float, float, "float | tuple[float, ...]"]
"""low, high, and where the search starts: one number, or one per gene group of a parent."""

WEIGHT: Bounds = (-0.5, 2.0, 0.5)
"""Task vectors may be amplified and subtracted: the best sum found by Sakana AI is near 2
(arXiv 2403.13187), and every gene starts there at 0.5."""

AVERAGE_WEIGHT: Bounds = (0.0, 1.0, 0.5)
"""Weights that are divided by their sum: only their proportion counts, and a sum of 0 must not."""

DENSITY: Bounds = (0.05, 1.0, 0.5)
"""Below a twentieth next to nothing of a task vector is left."""

INTERPOLATION: Bounds = (0.0, 1.0, 0.5)
"""From the first parent to the second."""


def find_method(name: str) -> Method | None:
    """The method of this name, or None."""
    try:
        return get_method(name)
    except RecipeError:
        return None


def is_pairwise(method: Method) -> bool:
    """Whether the method goes from one model to one other, by a gene `t` and no weights."""
    return method.parameter("t") is not None


def weight_bounds(space: ParameterSpaceSpec) -> Bounds:
    """The range of weight genes."""
    return _bounds(space.weight, AVERAGE_WEIGHT if needs_normalize(space.method) else WEIGHT)


def interpolation_bounds(space: ParameterSpaceSpec) -> Bounds:
    """The range of `t` genes."""
    return _bounds(space.t, INTERPOLATION)


def density_bounds(space: ParameterSpaceSpec) -> Bounds | float:
    """The range of density genes, or the number that the spec fixes for all."""
    if isinstance(space.density, float):
        return space.density
    return _bounds(space.density, DENSITY)


def needs_normalize(method: str) -> bool:
    """Whether weights must be divided by their sum.

    True for averages of whole models, whose size is wrong otherwise. Task vectors are never
    normalised: that would cut out the amplified sums among which the best ones lie.
    """
    return method == "linear"


def _bounds(given: GeneRange | None, default: Bounds) -> Bounds:
    return default if given is None else (given.low, given.high, given.initial)
