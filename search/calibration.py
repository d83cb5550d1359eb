"""What a data-driven stage looks at, and a start for the genes of task vectors' weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from merging.method import Method
from merging.recipe import Calibration, Recipe
from search.groups import Grouping
from search.parameter_spec import CalibrationSpec, ParameterSpaceSpec

if TYPE_CHECKING:
    from search.spec import SearchSpec

Coefficients = Mapping[str, Sequence[float]]
"""By tensor name, one number a parent."""

# What a start gives genes to: the factor of a task vector.
STARTED = "weight"


def calibration(spec: SearchSpec, space: ParameterSpaceSpec) -> Calibration:
    """The texts of a space, its models named by reference; by default prompts of the spec's first
    task."""
    given = space.calibration or CalibrationSpec()
    return Calibration(
        task=given.task or spec.tasks[0].task,
        items=given.items,
        seed=given.seed,
        models={spec.models[alias].ref: task for alias, task in given.parents.items()},
    )


def calibration_tasks(space: ParameterSpaceSpec) -> dict[str, str]:
    """The tasks that a space's calibration names, by their field."""
    given = space.calibration or CalibrationSpec()
    tasks = {f"parents.{alias}": task for alias, task in given.parents.items()}
    return tasks if given.task is None else {"task": given.task, **tasks}


def start_recipe(spec: SearchSpec, space: ParameterSpaceSpec) -> Recipe | None:
    """The recipe whose statistics a space starts from; None where it starts from numbers."""
    if space.start is None or len(space.bases) != 1:
        return None
    return Recipe.parse(
        {
            "merge_method": space.start,
            "models": [{"model": spec.models[alias].ref} for alias in space.parents],
            "base_model": spec.models[space.bases[0]].ref,
            "calibration": calibration(spec, space).model_dump(),
        }
    )


def takes_start(method: Method) -> bool:
    """Whether the method adds task vectors to a base, each times a weight."""
    parameter = method.parameter(STARTED)
    weighted = parameter is not None and parameter.per_parent and parameter.search is not None
    return weighted and method.base == "required" and method.max_parents is None


def group_means(
    coefficients: Coefficients, grouping: Grouping, parent: int, otherwise: Sequence[float]
) -> list[float]:
    """For each gene group the mean of one parent's coefficients over the group's tensors;
    `otherwise`, one number a group, where it has none."""
    members: list[list[float]] = [[] for _ in grouping.names]
    for name, numbers in coefficients.items():
        group = grouping.group_of(name)
        if group is not None:
            members[group].append(numbers[parent])
    return [
        fmean(found) if found else number for found, number in zip(members, otherwise, strict=True)
    ]
