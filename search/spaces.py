"""A stage's space, of whichever kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from merging.recipe import Recipe
from search.calibration import Coefficients
from search.dataflow import DataFlowSpace
from search.dataflow_spec import DataFlowSpaceSpec
from search.gene import Gene
from search.space import ParameterSpace
from search.spec import ModelShape, SearchSpec, Stage


class Space(Protocol):
    """Genes, and the recipe that a genome stands for."""

    @property
    def genes(self) -> tuple[Gene, ...]: ...

    def decode(self, genome: Sequence[float]) -> Recipe:
        """The recipe of a genome, one number a gene, clipped into bounds.

        Raises SpaceError for a genome of another length, or with a number that is none.
        """

    def probes(self) -> list[Recipe]:
        """Recipes in which every model of the space takes part, by every method: what is wrong
        between the models shows in one of them."""


def make_space(
    spec: SearchSpec,
    stage: Stage,
    shapes: Mapping[str, ModelShape],
    start: Coefficients | None = None,
) -> Space:
    """The space of a stage, for models of these shapes by alias.

    `start` are the coefficients that a space with a start begins from; without them it has the
    same genes, at their ordinary start. Raises SpaceError where `check_spec` finds a mistake.
    """
    if isinstance(stage.space, DataFlowSpaceSpec):
        refs = {alias: spec.models[alias].ref for alias in stage.space.parents}
        return DataFlowSpace.from_spec(stage.space, refs, shapes)
    return ParameterSpace.from_spec(spec, stage.space, shapes, start)
