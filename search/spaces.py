"""A stage's space, of whichever kind."""

from __future__ import annotations

from collections.abc import Mapping

from search.calibration import Coefficients
from search.dataflow import DataFlowSpace
from search.dataflow_spec import DataFlowSpaceSpec
from search.space import ParameterSpace
from search.spec import ModelShape, SearchSpec, Stage

Space = ParameterSpace | DataFlowSpace
"""Genes, the recipe that a genome stands for (`decode`), and recipes in which every model and
method of the space takes part, so that what is wrong between models shows in one (`probes`)."""


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
