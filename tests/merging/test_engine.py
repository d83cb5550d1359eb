"""Children in the resident model, against plain loops over the parents' files."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel

from merging.engine import MergeEngine
from merging.errors import CheckpointError, NonFiniteError, RecipeError
from merging.recipe import Recipe
from tests.merging.conftest import LAYERS, Family, write_model
from tests.merging.reference import reference

CHILDREN = ("maths", "ja", "other")
KNOTS = {"maths": [0.2, 0.9], "ja": [0.5], "other": [0.1, 0.4, 0.3]}
DENSITIES = {"maths": 0.3, "ja": 1.0, "other": 0.75}


def recipe(method: str, **more: object) -> Recipe:
    data: dict[str, Any] = {"merge_method": method, "models": []}
    for name in CHILDREN:
        parameters: dict[str, object] = {"weight": KNOTS[name]}
        if method in ("ties", "dare_ties", "dare_linear"):
            parameters["density"] = DENSITIES[name]
        data["models"].append({"model": name, "parameters": parameters})
    if method != "linear":
        data["base_model"] = "base"
    return Recipe.parse(data | more)


def weights_of(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model.safetensors")


def state(model: PreTrainedModel) -> dict[str, Tensor]:
    return {name: one.detach().clone() for name, one in model.named_parameters()}


def depth(name: str) -> float:
    """From 0 at the first layer to 1 at the last; 0 outside the layers."""
    found = re.search(r"layers\.(\d+)\.", name)
    return int(found[1]) / (LAYERS - 1) if found else 0.0


def on_line(knots: list[float], t: float) -> float:
    position = t * (len(knots) - 1)
    left = min(int(position), max(len(knots) - 2, 0))
    if len(knots) == 1:
        return knots[0]
    return knots[left] + (position - left) * (knots[left + 1] - knots[left])


@pytest.mark.parametrize("method", ["linear", "task_arithmetic", "ties"])
def test_a_child_is_what_plain_loops_make(method: str, family: Family) -> None:
    parents = {name: weights_of(family[name]) for name in ("base", *CHILDREN)}
    merged = state(MergeEngine(family).merge(recipe(method)))
    assert set(merged) == set(parents["base"])
    for name, tensor in merged.items():
        expected = reference(
            method,
            parents["base"][name],
            [parents[child][name] for child in CHILDREN],
            [on_line(KNOTS[child], depth(name)) for child in CHILDREN],
            [DENSITIES[child] for child in CHILDREN],
        )
        torch.testing.assert_close(tensor, expected, rtol=1e-4, atol=1e-6)


def test_slices_stack_layers(family: Family) -> None:
    data = {
        "merge_method": "task_arithmetic",
        "base_model": "base",
        "slices": [
            {
                "sources": [
                    {"model": "base", "layer_range": [0, 2]},
                    {"model": "maths", "layer_range": [1, 3], "parameters": {"weight": [0.2, 0.6]}},
                ]
            },
            {
                "sources": [
                    {"model": "ja", "layer_range": [0, 1], "parameters": {"weight": [0.3, 0.9]}},
                    {"model": "base", "layer_range": [2, 3]},
                ]
            },
        ],
    }
    merged = state(MergeEngine(family).merge(Recipe.parse(data)))
    base, maths, ja = (weights_of(family[name]) for name in ("base", "maths", "ja"))
    key = "model.layers.{}.mlp.up_proj.weight".format
    expected = {
        key(0): base[key(0)] + 0.2 * (maths[key(1)] - base[key(0)]),
        key(1): base[key(1)] + 0.6 * (maths[key(2)] - base[key(1)]),
        # One layer is the end of its slice.
        key(2): base[key(2)] + 0.9 * (ja[key(0)] - base[key(2)]),
    }
    for name, child, weight in (
        ("model.embed_tokens.weight", maths, 0.2),
        ("model.norm.weight", ja, 0.3),
    ):
        expected[name] = base[name] + weight * (child[name] - base[name])
    for name, tensor in expected.items():
        torch.testing.assert_close(merged[name], tensor)


def test_slices_of_another_depth_are_refused(tied: Family) -> None:
    part = {"sources": [{"model": "ja", "layer_range": [0, 3]}]}
    with pytest.raises(RecipeError, match="slices must add up to 3 layers, not 6"):
        MergeEngine(tied).merge(Recipe.parse({"merge_method": "linear", "slices": [part, part]}))


def test_filters_see_the_names_of_tensors(tied: Family) -> None:
    one = {
        "model": "maths",
        "parameters": {"weight": [{"filter": "mlp", "value": 1}, {"value": 0}]},
    }
    data = {"merge_method": "task_arithmetic", "base_model": "base", "models": [one]}
    merged = state(MergeEngine(tied).merge(Recipe.parse(data)))
    base, maths = weights_of(tied["base"]), weights_of(tied["maths"])
    for name, tensor in merged.items():
        torch.testing.assert_close(tensor, (maths if "mlp" in name else base)[name])


def test_a_required_value_that_no_filter_gives(tied: Family) -> None:
    data: dict[str, Any] = {"merge_method": "slerp", "base_model": "base"}
    data |= {"models": [{"model": "ja"}], "parameters": {"t": {"filter": "mlp", "value": 0.5}}}
    with pytest.raises(RecipeError, match="no entry matches the tensor") as caught:
        MergeEngine(tied).merge(Recipe.parse(data))
    assert caught.value.field == "parameters.t"


def test_the_resident_stays_in_place_and_shares_nothing_with_the_files(family: Family) -> None:
    before = {name: (path / "model.safetensors").read_bytes() for name, path in family.items()}
    engine = MergeEngine(family)
    addresses = {name: one.data_ptr() for name, one in engine.model.named_parameters()}
    assert engine.merge(recipe("ties")) is engine.model
    assert {name: one.data_ptr() for name, one in engine.model.named_parameters()} == addresses
    assert not engine.model.training
    assert not any(one.requires_grad for one in engine.model.parameters())
    after = {name: (path / "model.safetensors").read_bytes() for name, path in family.items()}
    assert after == before


def test_tied_embeddings_stay_tied(tied: Family) -> None:
    model = MergeEngine(tied).merge(recipe("task_arithmetic"))
    weights = dict(model.named_parameters(remove_duplicate=False))
    assert weights["lm_head.weight"] is weights["model.embed_tokens.weight"]


@pytest.mark.parametrize("method", ["ties", "dare_linear", "dare_ties"])
def test_a_child_does_not_depend_on_those_before(method: str, tied: Family) -> None:
    seeded = {"parameters": {"random_seed": 5}} if method != "ties" else {}
    fresh = state(MergeEngine(tied).merge(recipe(method, **seeded)))
    engine = MergeEngine(tied)
    engine.merge(recipe("linear"))
    torch.manual_seed(77)
    engine.merge(recipe(method, parameters={"lambda": 0.2}))
    again = state(engine.merge(recipe(method, **seeded)))
    assert all(torch.equal(fresh[name], again[name]) for name in fresh)


def test_the_seed_changes_the_masks(tied: Family) -> None:
    engine = MergeEngine(tied)
    first, second = (
        state(engine.merge(recipe("dare_ties", parameters={"random_seed": seed})))
        for seed in (1, 2)
    )
    assert not torch.equal(first["model.norm.weight"], second["model.norm.weight"])


def test_the_global_generator_is_left_alone(tied: Family) -> None:
    before = torch.get_rng_state()
    MergeEngine(tied).merge(recipe("dare_ties"))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_resident_in_half_precision_is_rounded_once(tied: Family) -> None:
    full = state(MergeEngine(tied).merge(recipe("ties")))
    half = state(MergeEngine(tied, dtype="bfloat16").merge(recipe("ties")))
    assert all(torch.equal(full[name].bfloat16(), half[name]) for name in full)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_child_that_is_not_finite_names_the_tensor(
    value: float, tied: Family, tmp_path: Path
) -> None:
    spoiled = Path(shutil.copytree(tied["maths"], tmp_path / "maths"))
    weights = weights_of(spoiled)
    weights["model.layers.1.mlp.up_proj.weight"][3, 4] = value
    save_file(weights, spoiled / "model.safetensors", metadata={"format": "pt"})
    engine = MergeEngine(tied | {"maths": spoiled})
    with pytest.raises(NonFiniteError, match=r"'model\.layers\.1\.mlp\.up_proj\.weight'"):
        engine.merge(recipe("ties"))
    sound = Recipe.parse({"merge_method": "linear", "models": [{"model": "ja"}]})
    merged = state(engine.merge(sound))
    ja = weights_of(tied["ja"])
    assert all(torch.equal(merged[name], ja[name]) for name in merged)


def test_an_engine_needs_parents() -> None:
    with pytest.raises(CheckpointError, match="at least one parent"):
        MergeEngine({})


def test_a_checkpoint_that_lacks_a_tensor(tied: Family, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", 1)
    weights = weights_of(folder)
    del weights["model.norm.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"'model\.norm\.weight'"):
        MergeEngine({"model": folder})
    with pytest.raises(RecipeError, match=r"no tensor 'model\.norm\.weight'"):
        MergeEngine(tied | {"maths": folder}).merge(recipe("linear"))
