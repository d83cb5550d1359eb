"""What a person would try by hand, in the parameters of one method."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations, permutations

from merging.method import Value
from search.groups import Grouping
from search.roles import Cast

WHOLE = {"density": 1.0}
"""A delta that is kept whole."""

ADDED: Mapping[str, Mapping[str, Value]] = {
    "task_arithmetic": {},
    "dare_linear": WHOLE,
    "della_linear": WHOLE,
    "breadcrumbs": WHOLE,
}
"""Methods that are task arithmetic under these values."""

ELECTED: Mapping[str, Mapping[str, Value]] = {
    "ties": WHOLE,
    "dare_ties": WHOLE,
    "della": WHOLE,
    "breadcrumbs_ties": WHOLE,
}
"""Methods that under these values are task arithmetic of one parent: there is no vote on signs."""

_WEIGHTED: Mapping[str, Mapping[str, Value]] = {"linear": {}, **ADDED, **ELECTED}

WEIGHTS = (0.3, 0.5, 1.0)
"""One weight for all task vectors: of eight tasks (Ilharco et al., arXiv 2212.04089), in between,
and of two language models (Yu et al., arXiv 2311.03099)."""

SUBSETS_OF, SWAPS_OF = 4, 3
"""Of more models than the first, only all together are averaged; of more parents than the second,
no layers are swapped."""

Weights = Mapping[str, tuple[float, ...]]
"""By parent, one for the whole model or one a gene group."""


@dataclass(frozen=True)
class Baseline:
    """A baseline in one method's parameters: `weights` by parent, 0 where left out; `of_parent`
    holds for every parent, `of_merge` for the whole merge. `model` is the one whose equal it is, if
    it is one."""

    label: str
    weights: Weights
    of_parent: Mapping[str, Value]
    of_merge: Mapping[str, Value]
    model: str | None = None


def layer_swap_widths(num_layers: int) -> tuple[int, int, int]:
    """How many layers of a swap are the outer model's at the bottom and at the top, and how many
    are averaged next to each: 5, 2 and 1 of 32 as published (Bandarkar et al., arXiv 2410.01335),
    of other depths as many in proportion, and one at least at the ends."""
    bottom, top = (max(1, round(width * num_layers / 32)) for width in (5, 2))
    return bottom, top, round(num_layers / 32)


def _single(cast: Cast, grouping: Grouping) -> Iterator[Baseline]:
    name = cast.method.name
    if name in _WEIGHTED:
        for alias in cast.parents:
            yield _alone(alias, _weighted(cast, "", {alias: (1.0,)}))
        if cast.base is not None:
            yield _alone(cast.base, _weighted(cast, "", {}))
    elif name == "slerp":
        assert cast.base is not None
        for alias, t in ((cast.parents[0], 1.0), (cast.base, 0.0)):
            yield _alone(alias, Baseline("", {}, {}, {"t": t}))
    elif name == "layer_swap":
        inner, outer = cast.parents
        layers = grouping.layer_ends[-1]
        yield _alone(outer, Baseline("", {}, {}, _widths(layers, 0, 0, "second")))
        yield _alone(inner, Baseline("", {}, {}, _widths(0, 0, 0, "first")))


def _alone(alias: str, baseline: Baseline) -> Baseline:
    return replace(baseline, label=f"parent {alias}", model=alias)


def _averaged(cast: Cast, _grouping: Grouping) -> Iterator[Baseline]:
    name, base = cast.method.name, cast.base
    if name != "linear" and name not in ADDED:
        return
    models = cast.parents if base is None else (base, *cast.parents)
    sizes = range(len(models), 1, -1)
    if len(models) > SUBSETS_OF:
        sizes = range(len(models), len(cast.parents) - 1, -1)
    for size in sizes:
        for subset in combinations(models, size):
            if len(models) <= SUBSETS_OF or base not in subset or subset == models:
                weights = {alias: (1 / size,) for alias in subset if alias != base}
                yield _weighted(cast, f"average {'+'.join(subset)}", weights)


def _uniform(cast: Cast, _grouping: Grouping) -> Iterator[Baseline]:
    if cast.method.name in ADDED:
        for weight in WEIGHTS:
            weights = dict.fromkeys(cast.parents, (weight,))
            yield _weighted(cast, f"task arithmetic {weight:g}", weights)


def _published(cast: Cast, _grouping: Grouping) -> Iterator[Baseline]:
    """TIES keeps a fifth and takes the mean of those that agree, or, as others use it, their sum
    (Yadav et al., arXiv 2306.01708, section 3)."""
    name = cast.method.name
    if name == "ties":
        kept = {"density": 0.2}
        ones: Weights = dict.fromkeys(cast.parents, (1.0,))
        halves: Weights = dict.fromkeys(cast.parents, (0.5,))
        yield Baseline("ties 0.2, mean", ones, kept, {"lambda": 1.0, "normalize": True})
        yield Baseline("ties 0.2, sum", ones, kept, {"lambda": 1.0, "normalize": False})
        yield Baseline("ties 0.2, half the sum", halves, kept, {"lambda": 1.0, "normalize": False})
    elif name == "dare_ties":
        halves = dict.fromkeys(cast.parents, (0.5,))
        merge: dict[str, Value] = {"lambda": 1.0, "normalize": False}
        yield Baseline("dare_ties 0.5, half the sum", halves, {"density": 0.5}, merge)
    elif name == "slerp":
        yield Baseline(f"slerp {cast.base}+{cast.parents[0]}", {}, {}, {"t": 0.5})


def _swapped(cast: Cast, grouping: Grouping) -> Iterator[Baseline]:
    name = cast.method.name
    bottom, top, transition = layer_swap_widths(grouping.layer_ends[-1])
    if name == "layer_swap":
        inner, outer = cast.parents
        widths = _widths(bottom, top, transition, "second")
        yield Baseline(f"layer swap {outer} around {inner}", {}, {}, widths)
    elif (name == "linear" or name in ADDED) and len(cast.parents) <= SWAPS_OF:
        shares = _shares(grouping, bottom, top, transition)
        if shares is not None:
            rest = tuple(1 - share for share in shares)
            for inner, outer in permutations(cast.parents, 2):
                label = f"layer swap {outer} around {inner}"
                yield _weighted(cast, label, {outer: shares, inner: rest})


def _shares(grouping: Grouping, bottom: int, top: int, transition: int) -> tuple[float, ...] | None:
    """The outer model's share in every gene group, the embeddings' included; None where a group
    holds layers of different shares."""
    depth = grouping.layer_ends[-1]
    middle = depth - bottom - top - 2 * transition
    if middle < 0 or grouping.tensor_groups:
        return None
    by_layer = [
        *[1.0] * bottom,
        *[0.5] * transition,
        *[0.0] * middle,
        *[0.5] * transition,
        *[1.0] * top,
    ]
    found = [
        {1.0} if layers is None else {by_layer[layer] for layer in layers}
        for layers in grouping.layers_of
    ]
    return tuple(min(shares) for shares in found) if max(map(len, found)) == 1 else None


def _widths(bottom: int, top: int, transition: int, outside: str) -> dict[str, Value]:
    return {
        "bottom": bottom,
        "top": top,
        "bottom_transition": transition,
        "top_transition": transition,
        "transition_weight": 0.5,
        "outside": outside,
    }


def _weighted(cast: Cast, label: str, weights: Weights) -> Baseline:
    """A sum with these weights. Where they add up to 1, it does not matter whether they are divided
    by their sum."""
    of_merge: dict[str, Value] = {}
    if cast.method.parameter("lambda") is not None:
        of_merge["lambda"] = 1.0
    if sum(values[0] for values in weights.values()) != 1:
        of_merge["normalize"] = False
    return Baseline(label, weights, _WEIGHTED[cast.method.name], of_merge)


KINDS = (_single, _averaged, _uniform, _published, _swapped)
"""What there is of each kind, of a cast of all parents and for these gene groups: single models,
averages, task arithmetic with one weight for all, TIES and the like as published, layer swaps."""
