"""References to what an earlier stage found: `weights.best` among a later stage's models.

`weights.best` is the stage's trial of the highest fitness on the search split, `weights.2` the
second best distinct recipe, and so on. The select split plays no part: it fixes the winner among
the finalists of all stages, and would be worth less for it if a stage had been built on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from search.dataflow_spec import DataFlowSpaceSpec
from search.errors import FieldError
from search.parameter_spec import ParameterSpaceSpec

if TYPE_CHECKING:
    from search.spec import SearchSpec, Stage

Space = ParameterSpaceSpec | DataFlowSpaceSpec

_FORM = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]*)\.(best|[1-9][0-9]{0,2})")


@dataclass(frozen=True)
class StageReference:
    """The child of a stage's trial of this rank: 1 for the best."""

    stage: str
    rank: int


def stage_reference(alias: str) -> StageReference | None:
    """What an alias such as `weights.best` refers to; None for a model's own alias."""
    match = _FORM.fullmatch(alias)
    if match is None:
        return None
    stage, rank = match.groups()
    return StageReference(stage, 1 if rank == "best" else int(rank))


def references(space: Space) -> dict[str, StageReference]:
    """The references among a space's models, by alias."""
    bases = space.bases if isinstance(space, ParameterSpaceSpec) else ()
    aliases = [*space.parents, *bases]
    found = {alias: stage_reference(alias) for alias in aliases}
    return {alias: reference for alias, reference in found.items() if reference is not None}


def with_models(spec: SearchSpec, refs: Mapping[str, str]) -> SearchSpec:
    """The spec with more models, `refs` by alias."""
    model = type(next(iter(spec.models.values())))
    more = {alias: model(ref=ref) for alias, ref in refs.items()}
    return spec.model_copy(update={"models": {**spec.models, **more}})


def stand_in(spec: SearchSpec, alias: str) -> str:
    """The model whose shapes the child that an alias refers to has, or, after a data-flow stage,
    whose blocks it has; the alias itself for a model."""
    reference = stage_reference(alias)
    if reference is None:
        return alias
    stage = next(one for one in spec.stages if one.name == reference.stage)
    bases = stage.space.bases if isinstance(stage.space, ParameterSpaceSpec) else ()
    return stand_in(spec, [*bases, *stage.space.parents][0])


def check_reference(
    field: str, alias: str, space: Space, earlier: Mapping[str, Stage]
) -> Iterator[FieldError]:
    """What is wrong with an alias that is none of the spec's models; `earlier` are the stages
    before, by name."""
    reference = stage_reference(alias)
    if reference is None:
        yield FieldError(field, f"{alias!r} is not among the models")
    elif reference.stage not in earlier:
        yield FieldError(field, f"{alias!r}: no earlier stage is named {reference.stage!r}")
    else:
        stage = earlier[reference.stage]
        if isinstance(space, ParameterSpaceSpec) and isinstance(stage.space, DataFlowSpaceSpec):
            message = "is a path of any number of layers, which merge with no other model's"
            yield FieldError(field, f"{alias!r} {message}")
        trials = stage.budget.trials
        if trials is not None and reference.rank > trials:
            yield FieldError(field, f"{alias!r}: the stage has {trials} trials at most")
