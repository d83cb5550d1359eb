"""Models of which only some tie their head to their embeddings: in the resident, and in folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from merging.checkpoint import inspect_checkpoint, open_parent
from merging.checks import check_recipe
from merging.engine import MergeEngine
from merging.errors import RecipeError
from merging.export import write_checkpoint
from merging.heads import child_is_tied
from merging.recipe import Recipe
from search.groups import Grouping
from tests.merging.conftest import Family, write_model
from tests.merging.vocabularies import write_speaker

EMBEDDINGS, HEAD = "model.embed_tokens.weight", "lm_head.weight"
IDS = list(range(1, 30))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Family:
    root = tmp_path_factory.mktemp("mixed")
    base = write_model(root / "base", 0)
    return {
        "base": base,
        "ja": write_model(root / "ja", 1, base, tie_word_embeddings=False),
        "maths": write_model(root / "maths", 2, base),
        "free": write_model(root / "free", 3, base, tie_word_embeddings=False),
    }


def recipe(method: str, *models: str, base: str | None = None, **more: Any) -> Recipe:
    listed = [{"model": name} for name in models]
    return Recipe.parse({"merge_method": method, "models": listed, "base_model": base} | more)


def path(*models: str) -> Recipe:
    slices = [{"sources": [{"model": name, "layer_range": [0, 2]}]} for name in models]
    return Recipe.parse({"merge_method": "passthrough", "slices": slices})


MIXED = [
    recipe("linear", "base", "ja", parameters={"weight": 0.5}),
    recipe("task_arithmetic", "ja", "maths", base="base", parameters={"weight": 0.4}),
    recipe("ties", "maths", "base", base="ja", parameters={"density": 0.5}),
    recipe("slerp", "free", base="base", parameters={"t": 0.3}),
    path("ja", "free", "base"),
    path("base", "maths", "ja"),
]
TIED = [recipe("linear", "maths"), recipe("task_arithmetic", "maths", base="base"), path("maths")]
UNTIED = [recipe("linear", "ja", "free"), path("ja", "base", "free")]


def logits(model: Any, ids: list[int] | None = None) -> Tensor:
    with torch.no_grad():
        found: Tensor = model(torch.tensor([ids or IDS])).logits[0]
    return found


def engine_of(family: Family, first: str) -> MergeEngine:
    return MergeEngine({first: family[first]} | family)


def is_tied(model: Any) -> bool:
    tied: bool = model.lm_head.weight is model.model.embed_tokens.weight
    return tied


@pytest.mark.parametrize("first", ["base", "ja"])
def test_a_tied_model_takes_part_in_the_head_with_its_embeddings(first: str, mixed: Family) -> None:
    model = engine_of(mixed, first).merge(MIXED[0])
    state = dict(model.named_parameters())
    base, ja = open_parent(mixed["base"]), open_parent(mixed["ja"])
    rows = base.tensor(EMBEDDINGS)
    torch.testing.assert_close(state[EMBEDDINGS].data, (rows + ja.tensor(EMBEDDINGS)) / 2)
    torch.testing.assert_close(state[HEAD].data, (rows + ja.tensor(HEAD)) / 2)
    assert not any(one.requires_grad for one in model.parameters())


@pytest.mark.parametrize("first", ["base", "ja"])
@pytest.mark.parametrize("one", [*MIXED, *TIED, *UNTIED])
def test_the_folder_is_the_child_in_memory(
    first: str, one: Recipe, mixed: Family, tmp_path: Path
) -> None:
    child = engine_of(mixed, first).merge(one)
    write_checkpoint(one, mixed, tmp_path / "child")
    loaded: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "child")
    torch.testing.assert_close(logits(loaded), logits(child))
    assert inspect_checkpoint(tmp_path / "child").tied_embeddings == (one in TIED)
    written = json.loads((tmp_path / "child" / "config.json").read_text())
    tied = one in TIED
    assert written["tie_word_embeddings"] == child.config.tie_word_embeddings == tied
    assert is_tied(loaded) == is_tied(child) == tied
    assert (HEAD in load_file(tmp_path / "child" / "model.safetensors")) == (not tied)


@pytest.mark.parametrize("first", ["base", "ja"])
def test_a_child_does_not_depend_on_the_heads_before(first: str, mixed: Family) -> None:
    used = engine_of(mixed, first)
    for one in (MIXED[2], TIED[0], MIXED[1], UNTIED[0], TIED[1], MIXED[2], TIED[0]):
        fresh = logits(engine_of(mixed, first).merge(one))
        assert torch.equal(logits(used.merge(one)), fresh)
        assert is_tied(used.model) == (one in TIED)


def test_a_model_alone_is_itself(mixed: Family) -> None:
    engine = MergeEngine(mixed)
    for name in ("ja", "maths", "free", "base"):
        own = AutoModelForCausalLM.from_pretrained(mixed[name])
        assert torch.equal(logits(engine.merge(recipe("linear", name))), logits(own))


@pytest.mark.parametrize("source", [None, "union", "ja"])
@pytest.mark.parametrize("base", ["tied", "ja"])
def test_vocabularies_may_differ_too(source: str | None, base: str, tmp_path: Path) -> None:
    families = {
        "tied": write_speaker(tmp_path / "tied", 0, ["one", "two", "is"], rows=8),
        "ja": write_speaker(tmp_path / "ja", 1, ["two", "ichi", "is", "ni"], tied=False),
    }
    (other,) = families.keys() - {base}
    weight = {"weight": 0.6}
    one = recipe("task_arithmetic", other, base=base, parameters=weight, tokenizer_source=source)
    engine = MergeEngine(families)
    engine.merge(recipe("linear", "tied"))
    child = engine.merge(one)
    write_checkpoint(one, families, tmp_path / "child")
    loaded: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "child")
    ids = list(range(len(AutoTokenizer.from_pretrained(tmp_path / "child"))))
    torch.testing.assert_close(logits(loaded, ids), logits(child, ids))
    assert not is_tied(loaded)


def test_the_gene_of_the_embeddings_reaches_the_head(mixed: Family) -> None:
    """As a search writes it, where only some models are tied."""
    groups = Grouping.of(3, 1, [], embeddings=True, tied_embeddings=False)
    entries = {"model": "ja", "parameters": {"weight": groups.setting([0.0, 1.0])}}
    one = Recipe.parse(
        {"merge_method": "task_arithmetic", "base_model": "base", "models": [entries]}
    )
    state = dict(MergeEngine(mixed).merge(one).named_parameters())
    base, ja = open_parent(mixed["base"]), open_parent(mixed["ja"])
    for name in (EMBEDDINGS, HEAD, "model.norm.weight"):
        torch.testing.assert_close(state[name].data, ja.tensor(name))
    inside = "model.layers.1.mlp.up_proj.weight"
    torch.testing.assert_close(state[inside].data, base.tensor(inside))


def test_what_is_refused(mixed: Family, tmp_path: Path) -> None:
    infos = {name: inspect_checkpoint(folder) for name, folder in mixed.items()}
    assert child_is_tied(TIED[0], infos)
    assert not child_is_tied(MIXED[0], infos)
    calibration = {"task": "word_problems_ja"}
    with pytest.raises(RecipeError, match="all tie their embeddings to their heads, or none"):
        check_recipe(recipe("fisher", "base", "ja", calibration=calibration), infos)
    check_recipe(recipe("fisher", "base", "maths", calibration=calibration), infos)
    unknown = write_model(tmp_path / "unknown", 4, tie_word_embeddings=False)
    weights = load_file(unknown / "model.safetensors")
    weights["score.weight"] = weights.pop(HEAD)
    save_file(weights, unknown / "model.safetensors")
    infos["unknown"] = inspect_checkpoint(unknown)
    with pytest.raises(RecipeError, match="only one ties its embeddings to a known head"):
        check_recipe(recipe("linear", "base", "unknown"), infos)
