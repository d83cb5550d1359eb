"""AdaMerging's coefficients: their gradient, what they minimise, and the recipe that they make."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import LlamaForCausalLM

from merging.calibration.entropy import Descent, layerwise_coefficients, mean_entropy
from merging.calibration.store import Measured
from merging.calibration.texts import Text
from merging.catalogue import get_method
from merging.checkpoint import Parent, open_parent
from merging.checks import check_recipe
from merging.engine import MergeEngine
from merging.errors import CalibrationError, RecipeError
from merging.recipe import Recipe
from tests.merging.conftest import Family

TASKS = [
    [Text((1, 5, 9, 12)), Text((1, 7, 7, 21, 6, 33), read=3), Text((1, 2))],
    [Text((1, 30, 31, 32, 33)), Text((1, 13))],
]


@pytest.fixture
def parents(tied: Family) -> dict[str, Parent]:
    return {name: open_parent(folder) for name, folder in tied.items()}


@pytest.fixture
def model(tied: Family) -> Any:
    loaded: Any = LlamaForCausalLM.from_pretrained(tied["base"])
    return loaded.eval().requires_grad_(False)


def found(
    model: Any, parents: dict[str, Parent], names: list[str], **how: Any
) -> dict[str, torch.Tensor]:
    readers = [parents[name].tensor for name in names]
    return layerwise_coefficients(model, parents["base"].tensor, readers, TASKS, Descent(**how))


def entropy(model: Any) -> float:
    with torch.no_grad():
        return sum(float(mean_entropy(model, texts)) for texts in TASKS)


def test_the_entropy_is_that_of_each_text_by_itself(model: Any) -> None:
    with torch.no_grad():
        alone = []
        for text in TASKS[0]:
            logits = model(input_ids=torch.tensor([text.tokens])).logits[0]
            chances: Any = torch.distributions.Categorical(logits=logits)
            alone.append(chances.entropy()[text.read - 1 :].mean())
        whole = mean_entropy(model, TASKS[0])
    torch.testing.assert_close(whole, torch.stack(alone).mean())


def test_the_first_step_follows_the_gradient_of_finite_differences(
    model: Any, parents: dict[str, Parent]
) -> None:
    # Adam's first step is the step size against the gradient's sign, whatever its length.
    before, rate, step = 0.3, 1e-3, 3e-3
    names = ["model.layers.1.mlp.up_proj.weight", "model.norm.weight", "model.embed_tokens.weight"]
    moved = found(model, parents, ["maths", "ja"], steps=1, learning_rate=rate)
    checked = 0
    for name in names:
        for place, parent in enumerate(("maths", "ja")):
            found(model, parents, ["maths", "ja"], steps=0)
            target = dict(model.named_parameters())[name]
            change = parents[parent].tensor(name) - parents["base"].tensor(name)
            with torch.no_grad():
                target += step * change
                above = entropy(model)
                target -= 2 * step * change
                below = entropy(model)
            if abs(above - below) > 2e-6:
                expected = before - rate if above > below else before + rate
                assert float(moved[name][place]) == pytest.approx(expected, abs=1e-5)
                checked += 1
    assert checked >= 4


def test_the_entropy_falls_and_the_model_ends_as_the_child(
    model: Any, parents: dict[str, Parent], tied: Family
) -> None:
    found(model, parents, ["maths", "ja"], steps=0)
    start = entropy(model)
    numbers = found(model, parents, ["maths", "ja"], steps=40, learning_rate=0.02)
    assert entropy(model) < start
    engine = MergeEngine(tied)
    recipe = _recipe("maths", "ja")
    child = engine.merge(recipe, Measured(joint=numbers))
    for name, one in child.named_parameters():
        torch.testing.assert_close(one, dict(model.named_parameters())[name])


def test_coefficients_stay_within_0_and_1(model: Any, parents: dict[str, Parent]) -> None:
    numbers = torch.stack(
        list(found(model, parents, ["maths"], steps=8, learning_rate=0.5).values())
    )
    assert bool(((numbers >= 0) & (numbers <= 1)).all())
    assert bool((numbers == 0).any())
    assert bool((numbers == 1).any())


def test_the_seed_decides_and_nothing_else(model: Any, parents: dict[str, Parent]) -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first, again, other = (
        found(model, parents, ["maths"], steps=4, batch=1, seed=seed) for seed in (3, 3, 4)
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_a_parent_that_is_the_base_changes_nothing(model: Any, parents: dict[str, Parent]) -> None:
    alone = found(model, parents, ["maths"], steps=5)
    beside = found(model, parents, ["maths", "base"], steps=5)
    for name, one in alone.items():
        torch.testing.assert_close(beside[name][:1], one)
        # Nothing moves it.
        assert float(beside[name][1]) == pytest.approx(0.3)


def test_a_task_without_texts_is_refused(model: Any, parents: dict[str, Parent]) -> None:
    readers = [parents["maths"].tensor]
    with pytest.raises(CalibrationError, match="no text"):
        layerwise_coefficients(model, parents["base"].tensor, readers, [TASKS[0], []], Descent())


def _recipe(*models: str, **more: Any) -> Recipe:
    return Recipe.parse(
        {
            "merge_method": "adamerging",
            "base_model": "base",
            "models": [{"model": name} for name in models],
            "calibration": {"task": "word_problems_en"},
        }
        | more
    )


def _expanded(recipe: Recipe, numbers: dict[str, list[float]]) -> Recipe:
    method = get_method("adamerging")
    assert method.expand_measured is not None
    return method.expand_measured(recipe, numbers)


def test_every_tensor_reads_its_own_coefficient() -> None:
    # One name is part of another, and layer 1 begins as layers 10 and 11 do.
    names = [*(f"model.layers.{n}.w.weight" for n in range(12)), "w.weight", "10.w.weight"]
    numbers = {name: [place / 20, 1 - place / 20] for place, name in enumerate(names)}
    expanded = _expanded(_recipe("maths", "ja"), numbers)
    data = expanded.model_dump(mode="json", exclude_none=True)
    assert data["merge_method"] == "task_arithmetic"
    assert "calibration" not in data
    for place, entry in enumerate(data["models"]):
        for name in names:
            weights = entry["parameters"]["weight"]
            read = next(one["value"] for one in weights if one["filter"] in name)
            assert read == numbers[name][place]


def test_the_expanded_recipe_makes_the_same_child(tied: Family) -> None:
    engine = MergeEngine(tied)
    generator = torch.Generator().manual_seed(0)
    numbers = {
        name: torch.rand(2, generator=generator) for name in engine.parents["base"].info.tensors
    }
    recipe = _recipe("maths", "ja", parameters={"lambda": 0.7})
    child = engine.merge(recipe, Measured(joint=numbers))
    kept = {name: one.clone() for name, one in child.named_parameters()}
    expanded = _expanded(recipe, {name: one.tolist() for name, one in numbers.items()})
    again = engine.merge(Recipe.from_yaml(expanded.to_yaml()))
    for name, one in again.named_parameters():
        assert torch.equal(one, kept[name])
    name = "model.layers.1.mlp.up_proj.weight"
    base, *others = (engine.parents[one].tensor(name) for one in ("base", "maths", "ja"))
    change = sum(c * (one - base) for c, one in zip(numbers[name], others, strict=True))
    torch.testing.assert_close(kept[name], base + 0.7 * change)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"calibration": None}, "calibration"),
        ({"calibration": {"task": "x", "models": {"other": "y"}}}, "calibration.models.other"),
        ({"calibration": {"task": "x", "items": 0}}, "calibration.items"),
        ({"merge_method": "task_arithmetic"}, "calibration"),
        ({"parameters": {"steps": [1, 2]}}, "parameters.steps"),
        ({"parameters": {"initial": 1.5}}, "parameters.initial"),
    ],
)
def test_what_is_wrong_with_a_calibrated_recipe_is_named(
    tied: Family, change: dict[str, Any], field: str
) -> None:
    infos = {name: open_parent(folder).info for name, folder in tied.items()}
    with pytest.raises(RecipeError) as caught:
        check_recipe(_recipe("maths", "ja", **change), infos)
    assert caught.value.field == field


def test_a_calibrated_recipe_says_that_it_is_an_extension() -> None:
    recipe = _recipe("maths", calibration={"task": "jsonl:mine", "models": {"maths": "other"}})
    text = recipe.to_yaml()
    assert text.startswith("#")
    assert "Cuvee's own" in text.splitlines()[0]
    assert Recipe.from_yaml(text) == recipe
    other = _recipe("maths", calibration={"task": "jsonl:mine", "seed": 1})
    assert other.digest() != _recipe("maths", calibration={"task": "jsonl:mine"}).digest()
