"""What can be wrong with a search spec beyond the type of one field, field by field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from merging.catalogue import Method, Parameter, get_method, methods
from merging.multistep import PREFIX
from search.baselines import grid_space
from search.calibration import takes_start
from search.dataflow_spec import DataFlowSpaceSpec
from search.errors import FieldError
from search.model_shape import ModelShape
from search.objectives import check_objectives
from search.parameter_spec import GeneChoices, GeneRange, ParameterSpaceSpec
from search.ranges import find_method, is_pairwise, searched
from search.references import check_reference

if TYPE_CHECKING:
    from search.spec import SearchSpec, Stage

Space = ParameterSpaceSpec | DataFlowSpaceSpec

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
        found = list(_check_models(path, stage.space, spec, index))
        if isinstance(stage.space, ParameterSpaceSpec):
            found += _check_method(path, stage.space)
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
    base = space.base if isinstance(space, ParameterSpaceSpec) else None
    if base is not None and base not in spec.models:
        yield from check_reference(f"{path}.base", base, space, earlier)


def _check_scale(path: str, space: DataFlowSpaceSpec) -> Iterator[FieldError]:
    if space.scale.low <= 0 <= space.scale.high:
        message = "a scale of 0 forgets all that came before; stay on one side of it"
        yield FieldError(f"{path}.scale.low", message)
    if isinstance(space.scale.initial, tuple):
        yield FieldError(f"{path}.scale.initial", "must be one number: hops have no groups")


def _check_method(path: str, space: ParameterSpaceSpec) -> Iterator[FieldError]:
    for one, count in Counter(space.module_groups).items():
        if count > 1:
            yield FieldError(f"{path}.module_groups", f"{one!r} is listed {count} times")
    method = find_method(space.method)
    if method is None:
        known = ", ".join(methods())
        yield FieldError(f"{path}.method", f"unknown method {space.method!r}; there are: {known}")
        return
    yield from _check_roles(path, space, method)
    yield from _check_parameters(path, space, method)
    yield from _check_calibration(path, space, method)


def _check_roles(path: str, space: ParameterSpaceSpec, method: Method) -> Iterator[FieldError]:
    name = f"method {method.name!r}"
    if is_pairwise(method):
        two = (
            space.parents if space.base in (None, *space.parents) else (space.base, *space.parents)
        )
        if len(two) != 2:
            message = f"{name} takes exactly two models, not {len(two)}"
            yield FieldError(f"{path}.parents", message)
        elif space.base is not None and space.base != two[0]:
            message = f"{name} starts from its first parent; leave base out, or name that parent"
            yield FieldError(f"{path}.base", message)
        return
    if method.base == "required" and space.base is None:
        yield FieldError(f"{path}.base", f"{name} needs a base model")
    if method.base == "none" and space.base is not None:
        yield FieldError(f"{path}.base", f"{name} takes no base model")
    if space.base in space.parents:
        yield FieldError(f"{path}.parents", f"the base {space.base!r} cannot be a parent as well")
    if len(space.parents) < method.min_parents:
        yield FieldError(f"{path}.parents", f"{name} takes {method.min_parents} parents or more")
    if method.max_parents is not None and len(space.parents) > method.max_parents:
        yield FieldError(f"{path}.parents", f"{name} takes {method.max_parents} parents at most")


def _check_parameters(path: str, space: ParameterSpaceSpec, method: Method) -> Iterator[FieldError]:
    for name, setting in space.parameters.items():
        field, parameter = f"{path}.parameters.{name}", method.parameter(name)
        if parameter is None:
            known = ", ".join(one.name for one in method.parameters) or "none"
            message = f"method {method.name!r} has no parameter {name!r}; there are: {known}"
            yield FieldError(field, message)
        elif method.statistic is not None and name in method.statistic.settings:
            if isinstance(setting, GeneRange | GeneChoices):
                yield FieldError(field, "is settled before the search: give one value")
            else:
                yield from _check_value(field, parameter, setting)
        elif isinstance(setting, GeneChoices):
            yield from _check_choices(field, parameter, setting)
        elif isinstance(setting, GeneRange):
            yield from _check_range(field, parameter, setting, space.groups)
        else:
            yield from _check_value(field, parameter, setting)
    for parameter in method.parameters:
        # What has neither a default nor a range of its own must be given.
        needed = parameter.default is None and parameter.search is None
        if needed and parameter.name not in space.parameters:
            message = f"method {method.name!r} needs it: {parameter.summary}"
            yield FieldError(f"{path}.parameters.{parameter.name}", message)


def _check_calibration(
    path: str, space: ParameterSpaceSpec, method: Method
) -> Iterator[FieldError]:
    if space.start is not None and not takes_start(method):
        message = f"method {method.name!r} has no weights of task vectors to start"
        yield FieldError(f"{path}.start", message)
    if space.calibration is None:
        return
    if method.statistic is None and space.start is None:
        yield FieldError(f"{path}.calibration", f"method {method.name!r} looks at no texts")
    for alias in space.calibration.parents:
        if alias not in space.parents:
            field = f"{path}.calibration.parents.{alias}"
            yield FieldError(field, f"{alias!r} is not among the parents")


def _check_choices(field: str, parameter: Parameter, setting: GeneChoices) -> Iterator[FieldError]:
    if parameter.kind not in ("switch", "choice"):
        yield FieldError(field, "is a number: give a range with low, high and initial")
        return
    for index, one in enumerate(setting.choices):
        yield from _check_value(f"{field}.choices.{index}", parameter, one)


def _check_range(
    field: str, parameter: Parameter, setting: GeneRange, groups: int
) -> Iterator[FieldError]:
    if parameter.kind not in ("number", "whole"):
        yield FieldError(field, "is no number that could be searched; give a value, or choices")
        return
    if parameter.low is not None and setting.low < parameter.low:
        yield FieldError(f"{field}.low", f"must be at least {parameter.low:g}")
    if parameter.high is not None and setting.high > parameter.high:
        yield FieldError(f"{field}.high", f"must be at most {parameter.high:g}")
    if isinstance(setting.initial, tuple):
        wanted = groups if parameter.varies and parameter.kind == "number" else 1
        if len(setting.initial) != wanted:
            found = len(setting.initial)
            message = f"the list has {found} numbers, but there are {wanted} gene groups"
            yield FieldError(f"{field}.initial", message)


def _check_value(
    field: str, parameter: Parameter, value: bool | float | str
) -> Iterator[FieldError]:
    if parameter.kind == "choice":
        if value not in parameter.choices:
            yield FieldError(field, f"must be one of {', '.join(parameter.choices)}")
    elif parameter.kind == "switch":
        if not isinstance(value, bool):
            yield FieldError(field, "must be true or false")
    elif isinstance(value, bool | str):
        yield FieldError(field, "must be a number, or a range with low, high and initial")
    elif parameter.kind in ("whole", "seed") and value != int(value):
        yield FieldError(field, "must be a whole number")
    elif parameter.low is not None and value < parameter.low:
        yield FieldError(field, f"must be at least {parameter.low:g}")
    elif parameter.high is not None and value > parameter.high:
        yield FieldError(field, f"must be at most {parameter.high:g}")


def _check_budget(path: str, stage: Stage, space: ParameterSpaceSpec) -> Iterator[FieldError]:
    method = get_method(space.method)
    if stage.budget.trials != 1 and not searched(space, method, num_layers=1):
        message = f"method {method.name!r} has nothing to search here; give it one trial"
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
        return
    aliases = [*space.parents, *([space.base] if space.base is not None else [])]
    depths = {alias: shapes[alias].num_layers for alias in aliases if alias in shapes}
    if len(set(depths.values())) > 1:
        listed = ", ".join(f"{alias} {depth}" for alias, depth in depths.items())
        yield FieldError(
            f"{path}.parents", f"the models differ in their number of layers: {listed}"
        )
    elif depths and space.layer_groups > (fewest := min(depths.values())):
        message = f"{space.layer_groups} groups, but the models have {fewest} layers"
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
