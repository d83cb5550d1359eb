"""AdaMerging: task arithmetic whose coefficients make the child sure of itself (Yang et al., arXiv
2310.02575, section 3.2; layer-wise)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from merging.errors import RecipeError
from merging.method import Method, Parameter, SearchRange, Statistic
from merging.recipe import ModelEntry, Recipe
from merging.values import Choice, Conditional


def _setting(name: str, default: float, low: float, high: float | None, summary: str) -> Parameter:
    kind = "whole" if isinstance(default, int) else "number"
    return Parameter(name, False, default, low, high, summary, kind, varies=False)  # type: ignore[arg-type]


SETTINGS = (
    _setting("steps", 500, 0, 1_000_000, "how often the coefficients are changed"),
    _setting("learning_rate", 1e-3, 0.0, 1.0, "Adam's step size"),
    _setting("initial", 0.3, 0.0, 1.0, "where the coefficients start"),
    _setting("batch", 16, 1, 100_000, "texts of each task a step"),
)
LAMBDA = Parameter(
    "lambda",
    False,
    1.0,
    None,
    None,
    "factor on the merged delta",
    varies=False,
    # Entropy falls in other places than errors do: what is found is worth a look around it.
    search=SearchRange(0.5, 2.0, 1.0),
)


def expand_measured(recipe: Recipe, coefficients: Mapping[str, Sequence[float]]) -> Recipe:
    """The same child as `task_arithmetic`, which mergekit reads too: one weight a tensor and model.

    `coefficients` are by tensor name, in the order of the recipe's models without the base. Raises
    RecipeError where the recipe is made of slices.
    """
    if recipe.models is None:
        raise RecipeError("slices", f"method {recipe.merge_method!r} takes whole models")
    # The first filter that is part of a name decides: none that is part of another comes before it.
    names = sorted(coefficients, key=lambda name: (-len(name), name))
    parents = [entry.model for entry in recipe.models if entry.model != recipe.base_model]
    models = tuple(
        ModelEntry(
            model=parent,
            parameters={
                "weight": Choice(
                    tuple(Conditional(coefficients[name][place], name) for name in names)
                )
            },
        )
        for place, parent in enumerate(parents)
    )
    factor = recipe.parameters.get("lambda", LAMBDA.default)
    return recipe.model_copy(
        update={
            "merge_method": "task_arithmetic",
            "models": models,
            "parameters": {"normalize": False, "lambda": factor},
            "calibration": None,
        }
    )


METHOD = Method(
    name="adamerging",
    form="procedure",
    summary="the base plus the parents' changes, weighted so that the child is sure of its answers",
    source="AdaMerging, arXiv 2310.02575, section 3.2",
    base="required",
    min_parents=1,
    max_parents=None,
    parameters=(*SETTINGS, LAMBDA),
    expand_measured=expand_measured,
    statistic=Statistic(
        "adamerging", joint=True, settings=("steps", "learning_rate", "initial", "batch")
    ),
)
