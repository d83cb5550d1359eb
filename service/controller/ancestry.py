"""Children of earlier stages that a stage takes for parents.

Each is written once, as an ordinary checkpoint in a folder of the job's, with the precision of its
parents: what the next stage searches over is what an export of that child would be. So no candidate
pays for the steps before its own. The folder is a cache: what is missing is written again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from merging.multistep import PREFIX, steps_of
from merging.recipe import Recipe
from search.finalists import finalists
from search.references import Space, references
from service.controller.errors import NoChild
from service.controller.needs import Build
from service.tables import Trial


def ancestors(space: Space, trials: Mapping[int, Trial], folder: Path) -> list[Build]:
    """What must be built before a stage over `space`, from the trials of the stages before.

    Raises NoChild where a stage has fewer scored children than a reference asks for.
    """
    recipes = {trial.digest: trial.recipe for trial in trials.values()}

    def find(digest: str) -> Recipe:
        return Recipe.model_validate(recipes[digest])

    found = []
    for alias, reference in references(space).items():
        scored = [
            trial
            for trial in trials.values()
            if trial.stage == reference.stage and trial.state == "finished"
        ]
        met = [trial for trial in scored if not trial.shortfall]
        best = finalists(met or scored, reference.rank)
        if len(best) < reference.rank:
            message = f"has {len(best)} different scored children, and {alias!r} is needed"
            raise NoChild(f"stage {reference.stage!r} {message}")
        trial = trials[best[-1]]
        recipe = Recipe.model_validate(trial.recipe)
        found.append(Build(alias, recipe, folder / trial.digest, steps_of(recipe, find)))
    return found


def folders_of(recipe: Recipe, folder: Path) -> dict[str, Path]:
    """Where the children that a recipe names lie, by name."""
    names = [name for name in recipe.model_names() if name.startswith(PREFIX)]
    return {name: folder / name.removeprefix(PREFIX) for name in names}
