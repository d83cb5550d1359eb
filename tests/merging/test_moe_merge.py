"""Merging experts as a recipe: the same child as the command's, for any number of groups."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from merging.calibration.store import Measured
from merging.checkpoint import open_parent
from merging.checks import check_recipe
from merging.engine import MergeEngine
from merging.errors import CalibrationError, NonFiniteError, RecipeError
from merging.export import write_checkpoint
from merging.moe import merge as merge_module
from merging.moe.alignment import alignment
from merging.moe.layout import expert_blocks, stored_tensors
from merging.moe.merge import MergedExperts
from merging.moe.routing import routing_statistics
from merging.recipe import Recipe
from tests.merging.conftest import Family
from tests.merging.test_moe import EXPERTS, LAYERS, MAKERS, ROWS, TOKENS, loaded, logits, written


@pytest.fixture(params=list(MAKERS))
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return written(MAKERS[request.param], tmp_path / "moe")


def recipe_of(groups: float, **more: Any) -> Recipe:
    return Recipe.parse(
        {
            "merge_method": "moe_merge",
            "models": [{"model": "moe"}],
            "parameters": {"groups": groups},
            "calibration": {"task": "some"},
        }
        | more
    )


def measured_on(folder: Path) -> Measured:
    return Measured({"moe": routing_statistics(loaded(folder), [ROWS])})


def child_of(engine: MergeEngine, recipe: Recipe, measured: Measured) -> dict[str, Tensor]:
    merged = stored_tensors(engine.merge(recipe, measured))
    return {name: one.clone() for name, one in merged.items()}


@pytest.mark.parametrize("groups", [1, 2, 2.5])
def test_the_child_is_that_of_the_statistics(folder: Path, groups: float, tmp_path: Path) -> None:
    measured = measured_on(folder)
    parent = open_parent(folder)
    names = list(parent.info.tensors)
    expected = MergedExperts(names, parent.tensor, measured.of_models["moe"], groups)
    child = child_of(MergeEngine({"moe": folder}), recipe_of(groups), measured)
    assert child.keys() == set(names)
    assert all(torch.equal(child[name], expected.tensor(name)) for name in names)
    assert any(not torch.equal(child[name], parent.tensor(name)) for name in names)
    write_checkpoint(recipe_of(groups), {"moe": folder}, tmp_path / "out", measured=measured)
    exported = load_file(tmp_path / "out" / "model.safetensors")
    assert exported.keys() == child.keys()
    assert all(torch.equal(exported[name], child[name]) for name in child)
    assert bool(logits(tmp_path / "out").isfinite().all())


def test_a_group_for_every_expert_is_the_model_itself(folder: Path) -> None:
    engine = MergeEngine({"moe": folder})
    child = engine.merge(recipe_of(EXPERTS), measured_on(folder))
    with torch.no_grad():
        assert torch.equal(child(TOKENS).logits, logits(folder))


def test_candidates_share_alignments_and_nothing_else(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = measured_on(folder)
    aligned: list[int] = []
    real = alignment

    def noted(*matrices: Any) -> Any:
        aligned.append(1)
        return real(*matrices)

    monkeypatch.setattr(merge_module, "alignment", noted)
    engine = MergeEngine({"moe": folder})
    first = {groups: child_of(engine, recipe_of(groups), measured) for groups in (1, 2, 3)}
    blocks = len(expert_blocks(open_parent(folder).info.tensors))
    # With one group a block every expert is aligned; other numbers of groups need no other order.
    assert len(aligned) == blocks * EXPERTS
    for groups in (3, 2, 1):
        again = child_of(engine, recipe_of(groups), measured)
        alone = child_of(MergeEngine({"moe": folder}), recipe_of(groups), measured)
        for name, one in first[groups].items():
            assert torch.equal(again[name], one)
            assert torch.equal(alone[name], one)


def test_a_stack_of_layers_has_the_experts_of_their_own_layers(tmp_path: Path) -> None:
    folder = written(MAKERS["mixtral"], tmp_path / "moe")
    measured = measured_on(folder)
    order = [2, 0, 1]
    slices = [{"sources": [{"model": "moe", "layer_range": [layer, layer + 1]}]} for layer in order]
    engine = MergeEngine({"moe": folder})
    stacked = child_of(engine, recipe_of(2, models=None, slices=slices), measured)
    plain = child_of(engine, recipe_of(2), measured)
    # The budget is one for the whole model, so that the order of the layers is all that differs.
    assert len(order) == LAYERS
    for name, one in plain.items():
        for place, layer in enumerate(order):
            if f".layers.{layer}." in name:
                moved = name.replace(f".layers.{layer}.", f".layers.{place}.")
                assert torch.equal(stacked[moved], one)


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"calibration": None}, "calibration", "needs it"),
        ({"parameters": {}}, "parameters.groups", "needs it"),
        ({"parameters": {"groups": 0.5}}, "parameters.groups", "at least 1"),
        ({"parameters": {"groups": [2, 3]}}, "parameters.groups", "one value"),
        ({"models": [{"model": "moe"}, {"model": "base"}]}, "models", "takes 1 model"),
        ({"models": [{"model": "base"}]}, "models[0].model", "has no experts"),
    ],
)
def test_what_is_wrong_is_named_before_a_weight_is_read(
    tied: Family, tmp_path: Path, change: dict[str, Any], field: str, words: str
) -> None:
    folders = {"moe": written(MAKERS["qwen3"], tmp_path / "moe"), "base": tied["base"]}
    infos = {name: open_parent(one).info for name, one in folders.items()}
    check_recipe(recipe_of(2), infos)
    with pytest.raises(RecipeError, match=words) as caught:
        check_recipe(recipe_of(2, **change), infos)
    assert caught.value.field == field


def test_statistics_that_are_missing_or_of_another_model(folder: Path) -> None:
    engine = MergeEngine({"moe": folder})
    with pytest.raises(CalibrationError, match="was not computed"):
        engine.merge(recipe_of(2))
    with pytest.raises(CalibrationError, match=r"no statistic of the tensor .*gate\.weight"):
        engine.merge(recipe_of(2), Measured())


@pytest.mark.parametrize("groups", [1, EXPERTS])
def test_nan_in_an_expert_is_named(tmp_path: Path, groups: int) -> None:
    def spoil(model: Any) -> None:
        stored = stored_tensors(model)
        stored[expert_blocks(stored)[1].experts[2].down][0, 0] = float("nan")

    healthy = written(MAKERS["mixtral"], tmp_path / "moe")
    spoiled = written(MAKERS["mixtral"], tmp_path / "spoiled", spoil)
    engine = MergeEngine({"moe": spoiled})
    with pytest.raises(NonFiniteError, match=r"layers\.1.*experts\.2\.w2\.weight"):
        engine.merge(recipe_of(groups), measured_on(healthy))
