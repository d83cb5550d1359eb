"""What can be wrong with the spec of a parameter space, given the methods there are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from merging.catalogue import Method, Parameter, get_method, methods
from search.calibration import takes_start
from search.errors import FieldError
from search.parameter_spec import GeneChoices, GeneRange, ParameterSetting, ParameterSpaceSpec
from search.ranges import Searched, find_method, is_pairwise, searched
from search.roles import Roles


def parameter_errors(path: str, space: ParameterSpaceSpec) -> list[FieldError]:
    """What is wrong with the space, whose fields are below `path`."""
    errors = list(_repeated(path, space))
    for name in space.methods:
        if find_method(name) is None:
            known = ", ".join(methods())
            message = f"unknown method {name!r}; there are: {known}"
            errors.append(FieldError(f"{path}.method", message))
    if errors:
        return errors
    found = [get_method(name) for name in space.methods]
    return [
        *_check_roles(path, space, found),
        *_check_parameters(path, space, found),
        *_check_calibration(path, space, found),
    ]


def has_genes(space: ParameterSpaceSpec) -> bool:
    """Whether there is anything to search in a valid space."""
    roles = Roles.of(space)
    return bool(roles.genes()) or any(
        searched(space, method, num_layers=1) for method in roles.methods
    )


def _repeated(path: str, space: ParameterSpaceSpec) -> Iterator[FieldError]:
    lists = {
        "method": space.methods,
        "base": space.bases,
        "module_groups": space.module_groups,
        "tensor_groups": space.tensor_groups,
    }
    for field, entries in lists.items():
        for one, count in Counter(entries).items():
            if count > 1:
                yield FieldError(f"{path}.{field}", f"{one!r} is listed {count} times")


def _check_roles(
    path: str, space: ParameterSpaceSpec, found: Sequence[Method]
) -> Iterator[FieldError]:
    if len({is_pairwise(method) for method in found}) > 1:
        message = "methods between two models take other roles than the others do"
        yield FieldError(f"{path}.method", message)
        return
    if is_pairwise(found[0]) and space.choose_parents is None and len(space.bases) < 2:
        yield from _check_pair(path, space, found[0])
        return
    needing = [method for method in found if method.base == "required"]
    if needing and not space.bases:
        yield FieldError(f"{path}.base", f"method {needing[0].name!r} needs a base model")
    if space.bases and all(method.base == "none" for method in found):
        named = " and ".join(repr(method.name) for method in found)
        yield FieldError(f"{path}.base", f"method {named} takes no base model")
    if len(space.bases) == 1 and space.bases[0] in space.parents:
        message = f"the base {space.bases[0]!r} cannot be a parent as well"
        yield FieldError(f"{path}.parents", message)
        return
    for method in found:
        yield from _check_counts(path, space, method)


def _check_pair(path: str, space: ParameterSpaceSpec, method: Method) -> Iterator[FieldError]:
    name, base = f"method {method.name!r}", next(iter(space.bases), None)
    two = space.parents if base in (None, *space.parents) else (base, *space.parents)
    if len(two) != 2:
        yield FieldError(f"{path}.parents", f"{name} takes exactly two models, not {len(two)}")
    elif base is not None and base != two[0]:
        message = f"{name} starts from its first parent; leave base out, or name that parent"
        yield FieldError(f"{path}.base", message)


def _check_counts(path: str, space: ParameterSpaceSpec, method: Method) -> Iterator[FieldError]:
    name = f"method {method.name!r}"
    bases = set(space.bases) if method.base != "none" else set[str]()
    counts = {len(set(space.parents) - {base}) for base in bases} or {len(space.parents)}
    besides = " besides the base" if bases & set(space.parents) else ""
    if min(counts) < method.min_parents:
        message = f"{name} takes {method.min_parents} parents or more{besides}"
        yield FieldError(f"{path}.parents", message)
        return
    most, choice = method.max_parents, space.choose_parents
    if choice is None:
        if most is not None and max(counts) > most:
            yield FieldError(f"{path}.parents", f"{name} takes {most} parents at most{besides}")
        return
    most = min(counts) if most is None else min(most, *counts)
    if choice.at_least > most:
        message = f"must be at most {most}: {name} takes no more{besides} here"
        yield FieldError(f"{path}.choose_parents.at_least", message)


def _check_parameters(
    path: str, space: ParameterSpaceSpec, found: Sequence[Method]
) -> Iterator[FieldError]:
    for name, setting in space.parameters.items():
        field = f"{path}.parameters.{name}"
        having = [(method, parameter) for method in found if (parameter := method.parameter(name))]
        if not having:
            known = dict.fromkeys(one.name for method in found for one in method.parameters)
            named = " and ".join(repr(method.name) for method in found)
            listed = ", ".join(known) or "none"
            yield FieldError(
                field, f"method {named} has no parameter {name!r}; there are: {listed}"
            )
        for method, parameter in having:
            wrong = list(_check_setting(field, method, parameter, setting, space.groups))
            yield from wrong
            if wrong:
                break
    for method in found:
        for parameter in method.parameters:
            # What has neither a default nor a range of its own must be given.
            needed = parameter.default is None and parameter.search is None
            if needed and parameter.name not in space.parameters:
                message = f"method {method.name!r} needs it: {parameter.summary}"
                yield FieldError(f"{path}.parameters.{parameter.name}", message)
    yield from _check_names(path, space, found)
    yield from _check_starts(path, space, found)


def _check_starts(
    path: str, space: ParameterSpaceSpec, found: Sequence[Method]
) -> Iterator[FieldError]:
    own = {
        one.parameter.name: one
        for method in found
        for one in searched(space, method, num_layers=1)
        if one.parameter.per_parent
    }
    for alias, starts in space.starts.items():
        if alias not in space.parents:
            yield FieldError(f"{path}.starts.{alias}", f"{alias!r} is not among the parents")
        for name, start in starts.items():
            field = f"{path}.starts.{alias}.{name}"
            if name not in own:
                listed = ", ".join(own) or "none"
                message = f"is no number of a parent's own that is searched; there are: {listed}"
                yield FieldError(field, message)
                continue
            one = own[name]
            numbers = start if isinstance(start, tuple) else (start,)
            if isinstance(start, tuple) and len(start) != (space.groups if one.grouped else 1):
                wanted = space.groups if one.grouped else 1
                message = f"the list has {len(start)} numbers, but there are {wanted} gene groups"
                yield FieldError(field, message)
            for number in numbers:
                if one.choices or not one.low <= number <= one.high:
                    message = f"{number:g} lies outside {one.low:g} to {one.high:g}"
                    yield FieldError(field, message)
                    break


def _check_names(
    path: str, space: ParameterSpaceSpec, found: Sequence[Method]
) -> Iterator[FieldError]:
    first: dict[str, tuple[Method, Searched]] = {}
    for method in found:
        for one in searched(space, method, num_layers=1):
            owner, other = first.setdefault(one.parameter.name, (method, one))
            if not other.agrees(one):
                message = (
                    f"{owner.name!r} and {method.name!r} mean different things by "
                    f"{one.parameter.name!r}: search them in stages of their own"
                )
                yield FieldError(f"{path}.method", message)


def _check_setting(
    field: str, method: Method, parameter: Parameter, setting: ParameterSetting, groups: int
) -> Iterator[FieldError]:
    if method.statistic is not None and parameter.name in method.statistic.settings:
        if isinstance(setting, GeneRange | GeneChoices):
            yield FieldError(field, "is settled before the search: give one value")
        else:
            yield from _check_value(field, parameter, setting)
    elif isinstance(setting, GeneChoices):
        yield from _check_choices(field, parameter, setting)
    elif isinstance(setting, GeneRange):
        yield from _check_range(field, parameter, setting, groups)
    else:
        yield from _check_value(field, parameter, setting)


def _check_calibration(
    path: str, space: ParameterSpaceSpec, found: Sequence[Method]
) -> Iterator[FieldError]:
    for method in found:
        if space.start is not None and not takes_start(method):
            message = f"method {method.name!r} has no weights of task vectors to start"
            yield FieldError(f"{path}.start", message)
    if space.start is not None and len(space.bases) > 1:
        yield FieldError(f"{path}.start", "needs one base, whose task vectors it looks at")
    if space.calibration is None:
        return
    if space.start is None and all(method.statistic is None for method in found):
        named = " and ".join(repr(method.name) for method in found)
        yield FieldError(f"{path}.calibration", f"method {named} looks at no texts")
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
    if parameter.kind == "whole" and math.ceil(setting.low) >= math.floor(setting.high):
        yield FieldError(f"{field}.high", "the range must hold two whole numbers or more")
    if parameter.kind == "whole" and setting.scale != "linear":
        yield FieldError(f"{field}.scale", "must be linear for a whole number")
    if isinstance(setting.initial, tuple):
        varies = parameter.varies and parameter.kind == "number"
        wanted = groups if varies and not setting.shared else 1
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
