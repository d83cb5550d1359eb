"""Which recipes both are given, and where they are meant to differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.recipes import NUMBERS
from merging.catalogue import get_method


@dataclass(frozen=True)
class Case:
    """One way to use a method; the rest is as `benchmarks.recipes.recipe` has it.

    `of_parents` gives each of three children its own value. `stack`: layers of two models, one
    after the other, more of them than either has.
    """

    settings: str
    share: float = 0.6
    with_base: bool = True
    in_slices: bool = False
    stack: bool = False
    dtype: str = "float32"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    of_parents: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """Where Cuvee means to differ. `settings` names the cases that show it, if any do; `large`:
    only large models show it."""

    methods: tuple[str, ...]
    what: str
    reason: str
    settings: str | None = None
    large: bool = False


DTYPE = "dtype bfloat16"
_DROPPING = ("dare_linear", "dare_ties", "della", "della_linear")
_SPARSE = ("ties", "breadcrumbs", "breadcrumbs_ties", *_DROPPING)

DIFFERENCES = (
    Difference(
        (),
        "dtype: bfloat16",
        "mergekit takes differences, thresholds and angles of rounded numbers; Cuvee computes in "
        "float32 whatever the stored type and rounds once, into the child",
        settings=DTYPE,
    ),
    Difference(
        ("arcee_fusion",),
        "quartiles of tensors over a million entries",
        "mergekit draws a million of them with its seed; Cuvee takes all",
        large=True,
    ),
    Difference(
        _DROPPING,
        "rescale",
        "Cuvee divides by the chance to be kept, as the papers do; mergekit's rule, to the old L1 "
        "norm, is the option rescale_l1, with which they are compared here",
    ),
    Difference(
        _DROPPING,
        "random_seed",
        "mergekit draws masks from one stream, Cuvee counts them by tensor and entry",
    ),
    Difference(
        ("della", "della_linear"),
        "density + epsilon or density - epsilon outside (0, 1)",
        "mergekit stops; Cuvee cuts epsilon to what fits, so that a search may go there",
    ),
    Difference(
        ("linear", "task_arithmetic", *_SPARSE, "nuslerp", "multislerp"),
        "a weight left out",
        "mergekit asks for it; in Cuvee it is 1",
    ),
    Difference(
        ("linear", "multislerp"),
        "weights to be normalised that sum to 0",
        "mergekit writes infinity and NaN; Cuvee says so and makes no child",
    ),
    Difference(
        ("nuslerp",),
        "vectors next to collinear, sin(theta)^2 from 1e-16 to 1e-7",
        "mergekit's single precision leaves such angles to rounding; Cuvee takes a line",
    ),
    Difference(
        ("multislerp",),
        "tensors of zeros, from three parents on",
        "mergekit stops the merge; Cuvee adds them up",
    ),
    Difference(
        ("karcher",),
        "tol below 1e-6",
        "no such angles are told apart in float32: Cuvee takes 1e-6",
    ),
)


def cases(method: str) -> Iterator[Case]:
    """Every case of a method without random numbers."""
    known = {one.name: one for one in get_method(method).parameters}
    for share in (0.35, 0.8) if known.keys() & NUMBERS else (0.35,):
        yield Case(f"share {share}", share)
    yield from _OWN.get(method, ())
    if "weight" in known:
        gradients = [[0.1, 0.9, 0.4], [0.8, 0.3], 0.5]
        yield Case("gradients over depth", of_parents={"weight": gradients})
        filtered = [
            {"filter": "self_attn", "value": 0.9},
            {"filter": "mlp", "value": [0.2, 0.7]},
            {"value": 0.4},
        ]
        yield Case("filters", of_parents={"weight": [filtered, 0.5, [0.9, 0.1]]})
    if "density" in known:
        yield Case("density by depth", parameters={"density": [0.9, 0.2]})
        for density in (0.0, 0.001, 1.0):
            yield Case(f"density {density:g}", parameters={"density": density})
    if "lambda" in known:
        yield Case("lambda by depth", parameters={"lambda": [0.5, 1.5]})
    if "t" in known:
        yield Case("t by depth", parameters={"t": [0.0, 0.5, 0.01]})
    if get_method(method).base == "optional":
        yield Case("no base", with_base=False)
    if method != "passthrough":
        yield Case("layers in another order", in_slices=True)
    yield Case(DTYPE, dtype="bfloat16")


def intended(method: str, settings: str, *, large: bool) -> Difference | None:
    """The difference that is meant to show in a case, if any is."""
    for one in DIFFERENCES:
        concerned = not one.methods or method in one.methods
        shown = settings == one.settings or (one.large and large)
        if concerned and shown:
            return one
    return None


_NEGATIVE = {"weight": [1.2, -0.5, 0.4]}
_SUM_ZERO = {"weight": [0.5, 0.25, -0.75]}
_OWN: dict[str, tuple[Case, ...]] = {
    "linear": (
        Case("normalize false", parameters={"normalize": False}),
        Case("a negative weight", of_parents=_NEGATIVE),
    ),
    "task_arithmetic": (
        Case("normalize true", parameters={"normalize": True}),
        Case("a negative weight", of_parents=_NEGATIVE),
        Case("weights sum to 0", parameters={"normalize": True}, of_parents=_SUM_ZERO),
    ),
    "ties": (
        Case("normalize false", parameters={"normalize": False}),
        Case("rescale true", parameters={"rescale": True}),
        Case("int8_mask true", parameters={"int8_mask": True}),
        Case("a negative weight", of_parents=_NEGATIVE),
    ),
    "breadcrumbs": (
        Case("normalize true", parameters={"normalize": True}),
        Case("rescale true", parameters={"rescale": True}),
        Case("gamma 0", parameters={"gamma": 0.0}),
        Case("gamma 0.6", parameters={"gamma": 0.6}),
    ),
    "breadcrumbs_ties": (
        Case("normalize true", parameters={"normalize": True}),
        Case("gamma 0.3", parameters={"gamma": 0.3}),
        Case("a negative weight", of_parents=_NEGATIVE),
    ),
    "nuslerp": (
        Case("by columns", parameters={"nuslerp_flatten": False}),
        Case("by rows", parameters={"nuslerp_flatten": False, "nuslerp_row_wise": True}),
        Case("weights sum to 0", of_parents={"weight": [0.5, -0.5]}),
    ),
    "multislerp": (
        Case("normalize_weights false", parameters={"normalize_weights": False}),
        Case("eps 0.01", parameters={"eps": 0.01}),
    ),
    "karcher": (
        Case("max_iter 1", parameters={"max_iter": 1}),
        Case("tol 0.01", parameters={"tol": 0.01}),
    ),
    "model_stock": (Case("filter_wise true", parameters={"filter_wise": True}),),
    "sce": (
        Case("select_topk 0", parameters={"select_topk": 0.0}),
        Case("select_topk 0.01", parameters={"select_topk": 0.01}),
        Case("select_topk 1", parameters={"select_topk": 1.0}),
        Case("select_topk by depth", parameters={"select_topk": [0.1, 1.0]}),
    ),
    "nearswap": (Case("t 0.1", parameters={"t": 0.1}),),
    "passthrough": (
        Case("scale -0.5", of_parents={"scale": [-0.5]}),
        Case("scale by name", of_parents={"scale": [[{"filter": "down_proj", "value": 0.0}]]}),
        Case("a taller stack", stack=True),
    ),
}
