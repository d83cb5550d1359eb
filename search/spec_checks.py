"""What can be wrong with a search spec beyond the type of one field, field by field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from merging.multistep import PREFIX
from search.baselines import grid_space
from search.dataflow_spec import DataFlowSpaceSpec
from search.errors import FieldError
from search.model_shape import ModelShape
from search.objectives import check_objectives
from search.parameter_checks import has_genes, parameter_errors
from search.parameter_spec import ParameterSpaceSpec
from search.references import check_reference
from search.sampler_spec import STEADY

if TYPE_CHECKING:
    from search.spec import SearchSpec, Stage

Space = ParameterSpaceSpec | DataFlowSpaceSpec

POOL_LIMIT = 128
"""Blocks of a pool that may have a scale for every pair."""

BASELINE_LIMIT = 1000
"""Averages, and grid points, that are scored at most; each grows exponentially with the parents."""


def check_spec(spec: SearchSpec, shapes: Mapping[str, ModelShape]) -> list[FieldError]:
    """What is wrong with a valid spec, given the models by alias."""
    errors: list[FieldError] = []
    for index, stage in enumerate(spec.stages):
        errors += _check_shapes(f"stages.{index}.space", stage.space, shapes)
    return errors


def contradictions(spec: SearchSpec) -> list[FieldError]:
    """What is wrong between the fields of a spec, each of which is right by itself."""
    errors = [*_repeated_tasks(spec), *_repeated_stages(spec), *_check_chats(spec)]
    errors += [*_check_refs(spec), *check_objectives(spec)]
    for index, stage in enumerate(spec.stages):
        path = f"stages.{index}.space"
        if stage.mode == "steady" and stage.sampler and stage.sampler.kind not in STEADY:
            message = f"the sampler {stage.sampler.kind!r} needs generations; steady are "
            errors.append(FieldError(f"stages.{index}.mode", message + ", ".join(STEADY)))
        found = list(_check_models(path, stage.space, spec, index))
        if isinstance(stage.space, ParameterSpaceSpec):
            found += parameter_errors(path, stage.space)
            if not found:
                found += _check_budget(f"stages.{index}", stage, stage.space)
        else:
            found += _check_scale(path, stage.space)
        errors += found
    return errors or list(_too_many_baselines(spec))


def schema_errors(error: ValidationError) -> list[FieldError]:
    """Pydantic's errors, under the paths that a reader of the spec sees."""
    entries = error.errors(include_url=False, include_input=False)
    inner = {entry["loc"][:depth] for entry in entries for depth in range(len(entry["loc"]))}
    return [
        FieldError(_path(entry["loc"]), _sentence(entry))
        for entry in entries
        # A list whose entries are wrong is not reported as too short on top of that.
        if not (entry["type"] == "too_short" and entry["loc"] in inner)
    ]


def _repeated_tasks(spec: SearchSpec) -> Iterator[FieldError]:
    names = [entry.task for entry in spec.tasks]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield FieldError(f"tasks.{index}.task", f"the task {name!r} is listed twice")


def _check_chats(spec: SearchSpec) -> Iterator[FieldError]:
    for index, entry in enumerate(spec.tasks):
        if isinstance(entry.chat, str) and entry.chat not in spec.models:
            yield FieldError(f"tasks.{index}.chat", f"{entry.chat!r} is not among the models")


def _repeated_stages(spec: SearchSpec) -> Iterator[FieldError]:
    names = [stage.name for stage in spec.stages]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield FieldError(f"stages.{index}.name", f"two stages are named {name!r}")


def _check_refs(spec: SearchSpec) -> Iterator[FieldError]:
    for alias, model in spec.models.items():
        if model.ref.startswith(PREFIX):
            message = f"{PREFIX!r} begins the names of what a search builds; rename the folder"
            yield FieldError(f"models.{alias}.ref", message)


def _check_models(path: str, space: Space, spec: SearchSpec, index: int) -> Iterator[FieldError]:
    earlier = {stage.name: stage for stage in spec.stages[:index]}
    for parent, count in Counter(space.parents).items():
        if parent not in spec.models:
            yield from check_reference(f"{path}.parents", parent, space, earlier)
        if count > 1:
            yield FieldError(f"{path}.parents", f"{parent!r} is listed {count} times")
    for base in space.bases if isinstance(space, ParameterSpaceSpec) else ():
        if base not in spec.models:
            yield from check_reference(f"{path}.base", base, space, earlier)


def _check_scale(path: str, space: DataFlowSpaceSpec) -> Iterator[FieldError]:
    if space.scale.low <= 0 <= space.scale.high:
        message = "a scale of 0 forgets all that came before; stay on one side of it"
        yield FieldError(f"{path}.scale.low", message)
    if isinstance(space.scale.initial, tuple):
        yield FieldError(f"{path}.scale.initial", "must be one number: hops have no groups")
    if space.scale.shared:
        yield FieldError(f"{path}.scale.shared", "hops have no groups to share a gene")


def _check_budget(path: str, stage: Stage, space: ParameterSpaceSpec) -> Iterator[FieldError]:
    if stage.budget.trials != 1 and not has_genes(space):
        message = f"method {space.methods[0]!r} has nothing to search here; give it one trial"
        yield FieldError(f"{path}.budget.trials", message)


def _too_many_baselines(spec: SearchSpec) -> Iterator[FieldError]:
    step = spec.baselines.grid_step
    space = grid_space(spec)
    if spec.baselines.averages and 2 ** len(spec.models) > BASELINE_LIMIT:
        message = f"{len(spec.models)} models have over {BASELINE_LIMIT} subsets; write false"
        yield FieldError("baselines.averages", message)
    if step is None or space is None:
        return
    parents = len(space.parents)
    if abs(round(1 / step) * step - 1) > 1e-9:
        yield FieldError("baselines.grid_step", f"1 is not a multiple of {step:g}")
    elif (round(1 / step) + 1) ** parents > BASELINE_LIMIT:
        message = (
            f"steps of {step:g} over {parents} parents are more than {BASELINE_LIMIT} points; "
            "write a larger step, or null for no grid"
        )
        yield FieldError("baselines.grid_step", message)


def _check_shapes(
    path: str, space: Space, shapes: Mapping[str, ModelShape]
) -> Iterator[FieldError]:
    if isinstance(space, DataFlowSpaceSpec):
        first = space.parents[0]
        if first in shapes and shapes[first].num_layers < 2:
            message = f"the first parent {first!r} has one layer; a path needs two ends"
            yield FieldError(f"{path}.parents", message)
        blocks = sum(shapes[alias].num_layers for alias in space.parents if alias in shapes)
        if space.scales == "pair" and blocks > POOL_LIMIT:
            message = (
                f"a matrix over {blocks} blocks would be {blocks**2} genes; "
                "take 'network', or 'hop'"
            )
            yield FieldError(f"{path}.scales", message)
        return
    aliases = dict.fromkeys([*space.parents, *space.bases])
    depths = {alias: shapes[alias].num_layers for alias in aliases if alias in shapes}
    if len(set(depths.values())) > 1:
        listed = ", ".join(f"{alias} {depth}" for alias, depth in depths.items())
        yield FieldError(
            f"{path}.parents", f"the models differ in their number of layers: {listed}"
        )
        return
    groups = space.layer_groups
    for depth in set(depths.values()):
        if isinstance(groups, int) and groups > depth:
            message = f"{groups} groups, but the models have {depth} layers"
            yield FieldError(f"{path}.layer_groups", message)
        elif not isinstance(groups, int) and sum(groups) != depth:
            message = f"add up to {sum(groups)}, but the models have {depth} layers"
            yield FieldError(f"{path}.layer_groups", message)


_UNIONS = ("sampler", "space", "answer", "of")


def _path(location: tuple[int | str, ...]) -> str:
    """`stages.0.sampler.sigma`: without the tags of unions, which are no part of the document."""
    kept: list[str] = []
    for index, part in enumerate(location):
        tagged = isinstance(part, str) and part.startswith("<")
        chosen = index > 0 and location[index - 1] in _UNIONS
        chosen = chosen and index < len(location) - 1
        # A mapping's bad key comes as (..., key, "[key]").
        if not tagged and not chosen and part != "[key]":
            kept.append(str(part))
    return ".".join(kept)


def _sentence(entry: ErrorDetails) -> str:
    sentences = {
        "extra_forbidden": "no such field",
        "missing": "is required",
        "union_tag_invalid": "there is no kind {tag!r}; there are: {expected_tags}",
        "too_short": "needs at least {min_length} entries",
        "too_long": "takes at most {max_length} entries",
    }
    if entry["type"] in sentences:
        return sentences[entry["type"]].format_map(entry.get("ctx", {}))
    message = entry["msg"].removeprefix("Value error, ").replace("Input should", "must")
    return message[:1].lower() + message[1:]
