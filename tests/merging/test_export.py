"""A written child is the resident's child, in a folder that plain transformers loads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM

import merging.export
from merging.checkpoint import inspect_checkpoint
from merging.engine import MergeEngine
from merging.errors import CheckpointError, RecipeError
from merging.export import write_checkpoint
from merging.recipe import Recipe
from tests.merging.conftest import Family
from tests.merging.test_engine import recipe

TOKENS = torch.tensor([[1, 5, 9, 13, 2], [1, 7, 7, 8, 30]])


@pytest.mark.parametrize("method", ["linear", "ties", "dare_ties"])
def test_logits_are_those_of_the_resident(method: str, family: Family, tmp_path: Path) -> None:
    resident = MergeEngine(family).merge(recipe(method))
    write_checkpoint(recipe(method), family, tmp_path / "child")
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "child")
    with torch.no_grad():
        assert torch.equal(loaded(TOKENS).logits, resident(TOKENS).logits)
    assert not list(tmp_path.glob(".*"))


def test_what_the_folder_holds(tied: Family, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "child"
    write_checkpoint(recipe("ties", tokenizer_source="ja", dtype="bfloat16"), tied, out)
    assert sorted(path.name for path in out.iterdir()) == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "recipe.yaml",
        "tokenizer.json",
    ]
    assert json.loads((out / "tokenizer.json").read_text()) == {"made_by": "ja"}
    written = Recipe.from_yaml((out / "recipe.yaml").read_text())
    assert written.digest() == recipe("ties", tokenizer_source="ja", dtype="bfloat16").digest()
    with safe_open(out / "model.safetensors", framework="pt") as file:
        assert file.metadata() == {"format": "pt"}
    info = inspect_checkpoint(out)
    assert info.config["dtype"] == "bfloat16"
    assert {tensor.dtype for tensor in info.tensors.values()} == {"bfloat16"}
    assert "lm_head.weight" not in info.tensors


@pytest.mark.parametrize("source", [None, "base"])
def test_the_tokenizer_is_the_bases_unless_told(
    source: str | None, tied: Family, tmp_path: Path
) -> None:
    write_checkpoint(recipe("ties", tokenizer_source=source), tied, tmp_path / "child")
    made_by = json.loads((tmp_path / "child" / "tokenizer.json").read_text())
    assert made_by == {"made_by": "base"}


def test_out_dtype_comes_before_dtype(tied: Family, tmp_path: Path) -> None:
    both = recipe("linear", dtype="bfloat16", out_dtype="float16")
    write_checkpoint(both, tied, tmp_path / "child")
    tensors = inspect_checkpoint(tmp_path / "child").tensors
    assert {tensor.dtype for tensor in tensors.values()} == {"float16"}


def test_a_folder_in_use_is_kept_unless_told(tied: Family, tmp_path: Path) -> None:
    out = tmp_path / "child"
    out.mkdir()
    write_checkpoint(recipe("linear"), tied, out)
    (out / "mine.txt").write_text("kept")
    with pytest.raises(CheckpointError, match="already holds files"):
        write_checkpoint(recipe("ties"), tied, out)
    assert (out / "mine.txt").exists()
    write_checkpoint(recipe("ties"), tied, out, overwrite=True)
    assert not (out / "mine.txt").exists()
    assert Recipe.from_yaml((out / "recipe.yaml").read_text()) == recipe("ties")
    assert [path.name for path in tmp_path.iterdir()] == ["child"]


def test_a_file_in_the_way(tied: Family, tmp_path: Path) -> None:
    (tmp_path / "child").write_text("")
    with pytest.raises(CheckpointError, match="is a file"):
        write_checkpoint(recipe("ties"), tied, tmp_path / "child", overwrite=True)


def test_a_wrong_recipe_writes_nothing(tied: Family, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="base_model"):
        write_checkpoint(recipe("ties", base_model=None), tied, tmp_path / "child")
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_the_old_folder_and_no_draft(
    tied: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_checkpoint(recipe("linear"), tied, tmp_path / "child")

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(merging.export, "save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        write_checkpoint(recipe("ties"), tied, tmp_path / "child", overwrite=True)
    assert Recipe.from_yaml((tmp_path / "child" / "recipe.yaml").read_text()) == recipe("linear")
    assert [path.name for path in tmp_path.iterdir()] == ["child"]


def test_large_weights_are_cut_into_files_that_transformers_reads(
    family: Family, tmp_path: Path
) -> None:
    recipe = Recipe.parse(
        {"merge_method": "linear", "models": [{"model": "base"}, {"model": "maths"}]}
    )
    write_checkpoint(recipe, family, tmp_path / "one")
    write_checkpoint(recipe, family, tmp_path / "many", max_shard_bytes=9000)
    shards = sorted((tmp_path / "many").glob("*.safetensors"))
    assert len(shards) > 3
    assert shards[0].name == f"model-00001-of-{len(shards):05}.safetensors"
    # The largest tensor has a file of its own.
    assert all(shard.stat().st_size < 12_000 for shard in shards)
    models = [
        AutoModelForCausalLM.from_pretrained(tmp_path / name).state_dict()
        for name in ("one", "many")
    ]
    assert models[0].keys() == models[1].keys()
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])
    assert (
        inspect_checkpoint(tmp_path / "many").tensors.keys()
        == inspect_checkpoint(tmp_path / "one").tensors.keys()
    )
