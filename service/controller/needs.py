"""What a job needs to know before it can go on, as work for the workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluators.task import Split
from merging.calibration.needs import preparations
from merging.recipe import Recipe
from search.baselines import average_recipes, grid_recipes, grid_space, parent_recipe
from search.item_blocks import Block
from search.spec import SearchSpec
from service.evaluations.repository import Subject


@dataclass(frozen=True)
class Need:
    """An evaluation that the job needs before it can go on: of a whole split, or of one block."""

    subject: Subject
    split: Split
    recipe: Recipe
    block: Block | None = None


@dataclass(frozen=True, eq=False)
class Preparation:
    """Statistics that a stage needs before its trials: of one model, or, None, of all together."""

    recipe: Recipe
    model: str | None


@dataclass(frozen=True)
class Build:
    """A child of an earlier stage, which a later one takes for a parent as `alias`, to be written
    to `folder` as a checkpoint. `steps` are the recipes that it names itself."""

    alias: str
    recipe: Recipe
    folder: Path
    steps: Mapping[str, Recipe]


Task = Need | Preparation | Build
Step = Sequence[Task]


def parent_needs(spec: SearchSpec, split: Split) -> list[Need]:
    """Every model by itself."""
    return [
        Need(Subject("parent", alias), split, parent_recipe(model.ref))
        for alias, model in spec.models.items()
    ]


def peer_needs(spec: SearchSpec) -> list[Need]:
    """What a person would have tried by hand: averages, and a grid of uniform weights."""
    refs = {alias: model.ref for alias, model in spec.models.items()}
    wanted = spec.baselines
    needs = []
    if wanted.averages:
        for label, recipe in average_recipes(refs).items():
            needs.append(Need(Subject("average", label), "holdout", recipe))
    space = grid_space(spec)
    if wanted.grid_step is not None and space is not None:
        base = space.bases[0]
        parents = {alias: refs[alias] for alias in space.parents if alias != base}
        grid = grid_recipes(refs[base], parents, wanted.grid_step)
        needs += [Need(Subject("grid", label), "holdout", grid[label]) for label in grid]
    return needs


def preparations_of(recipe: Recipe) -> list[Preparation]:
    """What must be prepared before the recipe can be merged."""
    return [Preparation(recipe, model) for model in preparations(recipe)]
