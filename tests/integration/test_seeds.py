"""Seeds are what they are named after: the children of both recipes, tensor by tensor."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from merging.engine import MergeEngine
from merging.recipe import Recipe
from search.baselines import average_recipes, grid_recipes, parent_recipe
from search.by_hand import layer_swap_widths
from search.seeds import baseline_seeds, models_in
from search.space import ParameterSpace
from search.spaces import make_space
from search.spec import ModelShape
from tests.search.specs import make_spec
from tests.tiny import write_llama

LAYERS = 4
REFS = {alias: f"zoo/{alias}" for alias in ("base", "maths", "ja", "spare")}
SHAPES = {alias: ModelShape(LAYERS, tied_embeddings=True) for alias in REFS}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> MergeEngine:
    folder = tmp_path_factory.mktemp("seeds")
    return MergeEngine(
        {
            ref: write_llama(folder / alias, seed, layers=LAYERS)
            for seed, (alias, ref) in enumerate(REFS.items())
        }
    )


def child(engine: MergeEngine, recipe: Recipe) -> dict[str, Tensor]:
    return {name: one.clone() for name, one in engine.merge(recipe).state_dict().items()}


@cache
def baselines() -> dict[str, Recipe]:
    """Recipes by label, written by other hands than the seeds'."""
    found = {f"parent {alias}": parent_recipe(ref) for alias, ref in REFS.items()}
    found |= {f"average {label}": recipe for label, recipe in average_recipes(REFS).items()}
    for parents in (["maths", "ja"], ["maths", "ja", "spare"]):
        grid = grid_recipes(REFS["base"], {alias: REFS[alias] for alias in parents}, 0.1)
        for weight in ("0.3", "0.5", "1"):
            label = f"task arithmetic {weight} of {len(parents)}"
            found[label] = grid[",".join([weight] * len(parents))]
    bottom, top, transition = layer_swap_widths(LAYERS)
    for inner in ("maths", "ja"):
        outer = "ja" if inner == "maths" else "maths"
        found[f"layer swap {outer} around {inner}"] = Recipe.parse(
            {
                "merge_method": "layer_swap",
                "models": [{"model": REFS[inner]}, {"model": REFS[outer]}],
                "parameters": {
                    "bottom": bottom,
                    "top": top,
                    "bottom_transition": transition,
                    "top_transition": transition,
                },
            }
        )
    return found


SINGLE = ["parent maths", "parent ja"]
SWAPS = ["layer swap ja around maths", "layer swap maths around ja"]
ADDED = [
    *SINGLE,
    "parent base",
    "average base+maths+ja",
    "average base+maths",
    "average base+ja",
    "average maths+ja",
    "task arithmetic 0.3",
    "task arithmetic 1",
]
EITHER = {"parameters": {"outside": {"choices": ["first", "second"]}}}
SPACES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, [*ADDED, *SWAPS]),
    ({"layer_groups": 1}, ADDED),
    ({"layer_groups": [1, 2, 1], "embeddings": False}, [*ADDED, *SWAPS]),
    ({"layer_groups": 4, "tensor_groups": ["norm"]}, ADDED),
    ({"method": "dare_linear", "layer_groups": 1}, ADDED),
    ({"method": "della_linear", "layer_groups": 1}, ADDED),
    ({"method": "breadcrumbs", "layer_groups": 1}, ADDED),
    ({"parameters": {"normalize": True}}, [*SINGLE, "average maths+ja", *SWAPS]),
    ({"method": "ties"}, [*SINGLE, "parent base", "ties 0.2, sum", "ties 0.2, half the sum"]),
    ({"method": "ties", "parameters": {"normalize": True}}, [*SINGLE, "ties 0.2, mean"]),
    ({"method": "dare_ties"}, [*SINGLE, "parent base", "dare_ties 0.5, half the sum"]),
    ({"method": "della"}, [*SINGLE, "parent base"]),
    ({"method": "breadcrumbs_ties"}, [*SINGLE, "parent base"]),
    ({"method": "slerp", "base": None}, ["parent ja", "parent maths", "slerp maths+ja"]),
    ({"method": "linear", "base": None}, [*SINGLE, "average maths+ja", *SWAPS]),
    ({"method": "layer_swap", "base": None}, ["parent ja", SWAPS[0]]),
    ({"method": "layer_swap", "base": None, **EITHER}, ["parent ja", "parent maths", SWAPS[0]]),
    ({"choose_parents": {"at_least": 2}}, [*ADDED, *SWAPS]),
    ({"method": ["ties", "task_arithmetic"], "layer_groups": 1}, [*ADDED, "ties 0.2, sum"]),
    ({"method": "ties", "parameters": {"density": 0.5}}, []),
    ({"method": "consensus"}, []),
]


@pytest.mark.parametrize(("asked", "labels"), SPACES, ids=lambda one: str(one)[:60])
def test_a_seed_s_child_is_its_baseline_s(
    engine: MergeEngine, asked: dict[str, Any], labels: list[str]
) -> None:
    spec = make_spec(asked)
    space = make_space(spec, spec.stages[0], SHAPES)
    assert isinstance(space, ParameterSpace)
    seeds = baseline_seeds(space)
    found = {seed.label: space.decode(seed.genome) for seed in seeds}
    assert set(labels) <= found.keys()
    assert len({recipe.digest() for recipe in found.values()}) == len(seeds)
    alone = {label: recipe for label, recipe in found.items() if label.startswith("parent ")}
    assert models_in(space) == {one.digest(): label[7:] for label, one in alone.items()}
    compared = 0
    for label, recipe in found.items():
        by_hand = baselines().get(label) or baselines().get(f"{label} of 2")
        if by_hand is not None:
            compared += 1
            wanted = child(engine, by_hand)
            for name, tensor in child(engine, recipe).items():
                torch.testing.assert_close(tensor, wanted[name], atol=1e-6, rtol=1e-5)
    others = {label for label in found if label.startswith(("ties", "dare_ties", "slerp"))}
    assert compared == len(found) - len(others)


def test_of_four_models_every_subset_is_averaged_and_every_pair_swapped() -> None:
    spec = make_spec({"parents": ["maths", "ja", "spare"]})
    space = make_space(spec, spec.stages[0], SHAPES)
    assert isinstance(space, ParameterSpace)
    labels = [seed.label for seed in baseline_seeds(space)]
    assert sum(label.startswith("average") for label in labels) == 11
    assert sum(label.startswith("layer swap") for label in labels) == 6
    assert [label for label in labels if label.startswith("task")] == [
        "task arithmetic 0.3",
        "task arithmetic 0.5",
        "task arithmetic 1",
    ]
    assert labels[:4] == ["parent maths", "parent ja", "parent spare", "parent base"]


def test_a_hand_written_ties_is_among_the_seeds() -> None:
    spec = make_spec({"method": "ties", "layer_groups": 1, "embeddings": False})
    space = make_space(spec, spec.stages[0], SHAPES)
    assert isinstance(space, ParameterSpace)
    (seed,) = [one for one in baseline_seeds(space) if one.label == "ties 0.2, sum"]
    models = [
        {"model": REFS[alias], "parameters": {"weight": 1, "density": 0.2}}
        for alias in ("maths", "ja")
    ]
    by_hand = Recipe.parse(
        {
            "merge_method": "ties",
            "models": models,
            "base_model": REFS["base"],
            "parameters": {"normalize": False},
        }
    )
    assert space.decode(seed.genome).digest() == by_hand.digest()


@pytest.mark.parametrize("scales", ["none", "hop", "pair", "network"])
def test_paths_begin_with_the_first_parent_and_layer_swaps(scales: str) -> None:
    space = {"kind": "dataflow", "parents": ["maths", "ja"], "repeats": 1, "scales": scales}
    stage = {
        "name": "layers",
        "space": space,
        "sampler": {"kind": "random"},
        "budget": {"trials": 8},
    }
    spec = make_spec(stages=[stage])
    made = make_space(spec, spec.stages[0], SHAPES)
    first, swap = baseline_seeds(made)
    assert (first.label, swap.label) == ("parent maths", "layer swap maths around ja")
    assert first.genome == tuple(gene.initial for gene in made.genes)
    assert models_in(made) == {made.decode(first.genome).digest(): "maths"}
    assert made.decode(swap.genome).model_dump(mode="json", exclude_defaults=True)["slices"] == [
        {"sources": [{"model": f"zoo/{alias}", "layer_range": layers}]}
        for alias, layers in (("maths", [0, 1]), ("ja", [1, 3]), ("maths", [3, 4]))
    ]
    deeper = SHAPES | {"ja": ModelShape(LAYERS + 1, tied_embeddings=True)}
    (alone,) = baseline_seeds(make_space(spec, spec.stages[0], deeper))
    assert alone.label == "parent maths"


def test_widths_are_those_published_and_as_many_in_proportion() -> None:
    assert layer_swap_widths(32) == (5, 2, 1)
    assert layer_swap_widths(64) == (10, 4, 2)
    assert layer_swap_widths(4) == (1, 1, 0)
    assert layer_swap_widths(1) == (1, 1, 0)
