"""Layer swapping: which layer comes from where, and the recipe that it is written as."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from merging.catalogue import get_method
from merging.checkpoint import inspect_checkpoint
from merging.checks import check_recipe
from merging.engine import MergeEngine
from merging.errors import RecipeError
from merging.layout import lay_out, layer_of
from merging.method import Method
from merging.methods.layer_swap import LAYER_FILTERS, expand
from merging.recipe import Recipe
from tests.merging.conftest import LAYERS, Family

EMBEDDINGS, HEAD = "model.embed_tokens.weight", "lm_head.weight"


def swap(**parameters: Any) -> Recipe:
    return Recipe.parse(
        {
            "merge_method": "layer_swap",
            "models": [{"model": "maths"}, {"model": "ja"}],
            "parameters": parameters,
        }
    )


def shares(recipe: Recipe, num_layers: int) -> list[list[float]]:
    """The weights of both models from the embeddings to the head."""
    layout = lay_out(expand(recipe, num_layers), num_layers)
    names = [EMBEDDINGS, *(f"model.layers.{i}.mlp.up_proj.weight" for i in range(num_layers)), HEAD]
    found = []
    for name in names:
        block = layout.block(name)
        weights = [block.of_input(number, "weight", name) for number in range(2)]
        found.append([float(weight) for weight in weights if weight is not None])
    return found


@pytest.mark.parametrize(
    ("parameters", "second"),
    [
        ({"bottom": 2, "top": 1}, [1, 1, 0.5, 0, 0, 0, 0.5, 1]),
        ({"bottom": 0, "top": 0}, [0.5, 0, 0, 0, 0, 0, 0, 0.5]),
        (
            {"bottom": 1, "top": 2, "bottom_transition": 2, "top_transition": 0},
            [1, 0.5, 0.5, 0, 0, 0, 1, 1],
        ),
        (
            {"bottom": 1, "top": 1, "top_transition": 3, "transition_weight": 0.25},
            [1, 0.25, 0, 0, 0.25, 0.25, 0.25, 1],
        ),
        ({"bottom": 8, "top": 0}, [1] * 8),
        # Too much for eight layers: what comes first in the order takes what it wants.
        ({"bottom": 5, "top": 5}, [1] * 8),
        ({"bottom": 3, "top": 3, "bottom_transition": 4}, [1, 1, 1, 0.5, 0.5, 1, 1, 1]),
        (
            {"bottom": 1, "top": 1, "bottom_transition": 4, "top_transition": 8},
            [1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 1],
        ),
    ],
)
def test_eight_layers(parameters: dict[str, Any], second: list[float]) -> None:
    found = shares(swap(**parameters), 8)[1:-1]
    assert [weights[1] for weights in found] == pytest.approx(second)


@pytest.mark.parametrize(("outside", "weights"), [("first", [1, 0]), ("second", [0, 1])])
def test_what_lies_outside_the_layers_is_one_model_s(outside: str, weights: list[float]) -> None:
    before, *_, after = shares(swap(bottom=1, top=1, outside=outside), 8)
    assert before == after == weights


def test_it_is_the_second_model_s_unless_said_otherwise() -> None:
    before, *_, after = shares(swap(bottom=0, top=0), 8)
    assert before == after == [0, 1]


@given(
    num_layers=st.integers(1, 120),
    data=st.data(),
    weight=st.floats(0, 1),
    outside=st.sampled_from(["first", "second"]),
)
def test_every_layer_s_weights_add_up_to_1(
    num_layers: int, data: st.DataObject, weight: float, outside: str
) -> None:
    names = ("bottom", "top", "bottom_transition", "top_transition")
    widths = {name: data.draw(st.integers(0, num_layers)) for name in names}
    found = shares(swap(**widths, transition_weight=weight, outside=outside), num_layers)
    assert [sum(weights) for weights in found] == pytest.approx([1] * (num_layers + 2))
    second = [round(weights[1], 12) for weights in found[1:-1]]
    assert second[: widths["bottom"]] == [1] * widths["bottom"]
    top = min(widths["top"], num_layers - widths["bottom"])
    assert second[num_layers - top :] == [1] * top


def test_filters_match_the_layers_and_nothing_else() -> None:
    names = [
        "model.layers.3.self_attn.q_proj.weight",
        "transformer.h.11.attn.c_attn.weight",
        "h.0.mlp.c_fc.bias",
        "model.blocks.7.ffn.weight",
        "model.embed_tokens.weight",
        "transformer.wte.weight",
        "wpe.weight",
        "gpt_neox.embed_in.weight",
        "model.norm.weight",
        "transformer.ln_f.bias",
        "lm_head.weight",
    ]
    for name in names:
        assert any(word in name for word in LAYER_FILTERS) == (layer_of(name) is not None), name


def test_a_width_beyond_the_layers_is_an_error() -> None:
    with pytest.raises(RecipeError, match="must be at most 8, the number of layers, not 9") as e:
        expand(swap(bottom=1, top=9), 8)
    assert e.value.field == "parameters.top"


def test_slices_are_an_error() -> None:
    sources = [{"model": name, "layer_range": [0, 3]} for name in ("maths", "ja")]
    recipe = Recipe.parse(
        {
            "merge_method": "layer_swap",
            "slices": [{"sources": sources}],
            "parameters": {"bottom": 1, "top": 1},
        }
    )
    with pytest.raises(RecipeError, match="slices: method 'layer_swap' takes whole models"):
        expand(recipe, 3)


def test_the_expansion_is_a_recipe_by_itself(untied: Family) -> None:
    """It survives YAML, passes the checks, and gives the child that the swap gives."""
    recipe = swap(bottom=1, top=1, bottom_transition=0, top_transition=1, outside="first")
    recipe = recipe.model_copy(update={"dtype": "float32", "tokenizer_source": "ja"})
    expanded = Recipe.from_yaml(expand(recipe, LAYERS).to_yaml())
    assert expanded.merge_method == "linear"
    assert (expanded.dtype, expanded.tokenizer_source) == ("float32", "ja")
    infos = {name: inspect_checkpoint(untied[name]) for name in ("maths", "ja")}
    check_recipe(expanded, infos)
    engine = merging_of(untied)
    first = {name: one.clone() for name, one in engine.merge(recipe).state_dict().items()}
    second = engine.merge(expanded).state_dict()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name])


def test_layers_of_the_child_are_the_experts_own(family: dict[str, Path]) -> None:
    engine = merging_of(family)
    child = engine.merge(swap(bottom=1, top=0, bottom_transition=1, top_transition=0)).state_dict()
    maths, ja = engine.parents["maths"], engine.parents["ja"]
    for name in maths.info.tensors:
        first, second = maths.tensor(name), ja.tensor(name)
        wanted = {None: second, 0: second, 1: (first + second) / 2, 2: first}[layer_of(name)]
        torch.testing.assert_close(child[name], wanted)


def test_an_engine_refuses_what_cannot_be_expanded(tied: Family) -> None:
    engine = merging_of(tied)
    with pytest.raises(RecipeError, match=r"parameters\.bottom: must be at most 3"):
        engine.merge(swap(bottom=4, top=0))


def test_a_procedure_s_recipe_is_checked_before_it_is_carried_out(
    tied: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that averages in more layers than there are, as no method of the catalogue does."""

    def wrong(name: str) -> Method:
        found = get_method(name)
        if found.expand is None:
            return found
        return replace(found, expand=lambda recipe, num_layers: expand(recipe, num_layers + 1))

    monkeypatch.setattr("merging.checks.get_method", wrong)
    with pytest.raises(RecipeError, match="has 4 values, more than the 3 layers"):
        merging_of(tied).merge(swap(bottom=1, top=1))


def merging_of(family: Family) -> MergeEngine:
    return MergeEngine({name: family[name] for name in ("maths", "ja")})
