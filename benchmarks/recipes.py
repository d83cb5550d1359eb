"""The same merge for both: a recipe with other numbers at every repeat, so that no result is kept
from one to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from merging.catalogue import get_method
from merging.recipe import Recipe

# Every method that mergekit 0.1.5 has too.
SHARED = (
    "linear",
    "task_arithmetic",
    "slerp",
    "nuslerp",
    "multislerp",
    "karcher",
    "ties",
    "dare_linear",
    "dare_ties",
    "della",
    "della_linear",
    "breadcrumbs",
    "breadcrumbs_ties",
    "model_stock",
    "sce",
    "nearswap",
    "arcee_fusion",
    "passthrough",
)
# The random ones cannot be the same, only alike.
RANDOM = ("dare_linear", "dare_ties", "della", "della_linear")
# The parameters that are set from one number, where a method has them.
NUMBERS = ("weight", "density", "t", "select_topk")


def chosen_methods(listed: str | None) -> list[str]:
    """The shared methods, or those of a list with commas; ends the program at any other name."""
    chosen = listed.split(",") if listed else list(SHARED)
    unknown = sorted(set(chosen) - set(SHARED))
    if unknown:
        raise SystemExit(f"--methods: not shared with mergekit: {', '.join(unknown)}")
    return chosen


def recipe(
    method: str,
    base: str,
    children: Sequence[str],
    share: float,
    *,
    with_base: bool = True,
    layers: int | None = None,
    dtype: str = "bfloat16",
    parameters: Mapping[str, Any] | None = None,
    of_parents: Mapping[str, Any] | None = None,
) -> Recipe:
    """A merge of `children`, as many as the method takes; `share` in (0, 1) sets its numbers.

    `parameters` and `of_parents` come before these numbers, each child taking its own of a list of
    as many. `with_base` is for methods that can do without. With `layers`, the models' number of
    layers, the child is written in slices: their upper half comes before their lower.
    """
    taken = get_method(method)
    listed = list(children)[: taken.max_parents]
    known = {one.name: one for one in taken.parameters}
    numbers = dict.fromkeys(NUMBERS, share) | {"density": 0.2 + 0.6 * share}
    if method == "nearswap":
        numbers["t"] = 0.01 * share
    common = {
        key: value
        for key, value in numbers.items()
        if key in known and not known[key].per_parent and key not in (of_parents or {})
    }
    entries = [
        (
            one,
            {
                # No two parents count the same.
                key: round(value * (1 - 0.2 * place), 6)
                for key, value in numbers.items()
                if key in known and known[key].per_parent and key not in (parameters or {})
            }
            | {key: value[place] for key, value in (of_parents or {}).items()},
        )
        for place, one in enumerate(listed)
    ]
    base_taken = taken.base != "none" and (with_base or taken.base == "required")
    # A method between two models lists both in mergekit, and slices list every model.
    if base_taken and (taken.max_parents == 1 or layers is not None):
        entries.insert(0, (base, {}))
    made: dict[str, Any] = {
        "merge_method": method,
        "base_model": base if base_taken else None,
        "parameters": common | dict(parameters or {}),
        "dtype": dtype,
    }
    if layers is None:
        made["models"] = [{"model": one, "parameters": given} for one, given in entries]
    else:
        made["slices"] = [
            {
                "sources": [
                    {"model": one, "layer_range": list(span), "parameters": given}
                    for one, given in entries
                ]
            }
            for span in ((layers // 2, layers), (0, layers // 2))
        ]
    return Recipe.parse(made)
