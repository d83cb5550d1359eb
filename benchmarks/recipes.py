"""The same merge for both: a recipe with other numbers at every repeat, so that no result is kept
from one to the next."""

from __future__ import annotations

from collections.abc import Sequence
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


def recipe(method: str, base: str, children: Sequence[str], share: float, **shared: Any) -> Recipe:
    """A merge of `children`, as many as the method takes; `share` in (0, 1) sets its numbers."""
    taken = get_method(method)
    listed = list(children)[: taken.max_parents]
    # A method between two models lists both in mergekit.
    if taken.base == "required" and taken.max_parents == 1:
        listed = [base, *listed]
    known = {one.name: one for one in taken.parameters}
    numbers = {"weight": share, "density": 0.2 + 0.6 * share, "t": share, "select_topk": share}
    given = {key: value for key, value in numbers.items() if key in known}
    if method == "nearswap":
        given["t"] = 0.01 * share
    per_parent = {key: value for key, value in given.items() if known[key].per_parent}
    common = {key: value for key, value in given.items() if not known[key].per_parent}
    return Recipe.parse(
        {
            "merge_method": method,
            "models": [
                {"model": one, "parameters": dict(per_parent) if one != base else {}}
                for one in listed
            ],
            "base_model": None if taken.base == "none" else base,
            "parameters": common | {key: value for key, value in shared.items() if key in known},
            "dtype": "bfloat16",
        }
    )
