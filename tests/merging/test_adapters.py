"""LoRA adapters as parents: base + scale * B A, read when asked for, and what is refused."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import LlamaForCausalLM

from merging.checkpoint import content_digest, inspect_checkpoint, open_parent
from merging.engine import MergeEngine
from merging.errors import CheckpointError
from merging.export import write_checkpoint
from merging.recipe import Recipe
from merging.references import joined
from tests.merging.conftest import Family

QUERY, DOWN = "model.layers.1.self_attn.q_proj", "model.layers.2.mlp.down_proj"
EMBEDDINGS = "model.embed_tokens"
NORM = "model.norm.weight"
RANK = 4


def write_adapter(
    folder: Path, tensors: dict[str, Tensor] | None = None, **config: Any
) -> dict[str, Tensor]:
    """An adapter on two projections of the tiny models; returns its tensors."""
    generator = torch.Generator().manual_seed(7)
    given = {
        f"base_model.model.{QUERY}.lora_A.weight": torch.randn(RANK, 32, generator=generator),
        f"base_model.model.{QUERY}.lora_B.weight": torch.randn(32, RANK, generator=generator),
        f"base_model.model.{DOWN}.lora_A.weight": torch.randn(2, 48, generator=generator),
        f"base_model.model.{DOWN}.lora_B.weight": torch.randn(32, 2, generator=generator),
    }
    if tensors is not None:
        given = tensors
    folder.mkdir(exist_ok=True)
    settings = {"peft_type": "LORA", "r": RANK, "lora_alpha": 6, "bias": "none"} | config
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    save_file(given, folder / "adapter_model.safetensors")
    return given


def product(tensors: dict[str, Tensor], module: str) -> Tensor:
    prefix = f"base_model.model.{module}"
    b, a = tensors[f"{prefix}.lora_B.weight"], tensors[f"{prefix}.lora_A.weight"]
    return (b.double() @ a.double()).float()


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    folder = tmp_path / "adapter"
    write_adapter(folder)
    return folder


@pytest.mark.parametrize(
    ("config", "query", "down"),
    [
        ({}, 6 / 4, 6 / 2),
        ({"use_rslora": True}, 6 / 2, 6 / math.sqrt(2)),
        ({"alpha_pattern": {"layers.1.self_attn.q_proj": 1}}, 1 / 4, 6 / 2),
        ({"alpha_pattern": {".*down_proj": 3, "own_proj": 9}}, 6 / 4, 3 / 2),
    ],
)
def test_the_product_is_scaled_and_added(
    config: dict[str, Any], query: float, down: float, tied: Family, tmp_path: Path
) -> None:
    tensors = write_adapter(tmp_path / "adapter", **config)
    base, parent = (
        open_parent(path) for path in (tied["base"], joined(tied["base"], tmp_path / "adapter"))
    )
    assert parent.info.tensors == base.info.tensors
    scales = {f"{QUERY}.weight": (query, QUERY), f"{DOWN}.weight": (down, DOWN)}
    for name in base.info.tensors:
        if name not in scales:
            assert torch.equal(parent.tensor(name), base.tensor(name))
            continue
        scale, module = scales[name]
        expected = base.tensor(name) + scale * product(tensors, module)
        assert not torch.equal(expected, base.tensor(name))
        torch.testing.assert_close(parent.tensor(name), expected)


def test_transposed_weights_embeddings_and_whole_tensors(untied: Family, tmp_path: Path) -> None:
    a, b = torch.randn(RANK, 32), torch.randn(32, RANK)
    rows, directions = torch.randn(RANK, 40), torch.randn(32, RANK)
    head, norm = torch.randn(40, 32), torch.randn(32)
    write_adapter(
        tmp_path / "adapter",
        {
            f"base_model.model.{QUERY}.lora_A.weight": a,
            f"base_model.model.{QUERY}.lora_B.weight": b,
            f"base_model.model.{EMBEDDINGS}.lora_embedding_A": rows,
            f"base_model.model.{EMBEDDINGS}.lora_embedding_B": directions,
            "base_model.model.lm_head.weight": head.half(),
            f"base_model.model.{NORM}": norm,
        },
        fan_in_fan_out=True,
        modules_to_save=["lm_head", "norm"],
    )
    base, parent = (
        open_parent(path) for path in (untied["base"], joined(untied["base"], tmp_path / "adapter"))
    )
    name = f"{QUERY}.weight"
    torch.testing.assert_close(parent.tensor(name), base.tensor(name) + 1.5 * (b @ a).T)
    name = f"{EMBEDDINGS}.weight"
    torch.testing.assert_close(parent.tensor(name), base.tensor(name) + 1.5 * (directions @ rows).T)
    assert torch.equal(parent.tensor("lm_head.weight"), head.half().float())
    assert torch.equal(parent.tensor(NORM), norm)


def test_a_merge_with_an_adapter_is_one_with_the_model_it_makes(
    tied: Family, adapter: Path, tmp_path: Path
) -> None:
    parent = open_parent(joined(tied["base"], adapter))
    whole = Path(shutil.copytree(tied["base"], tmp_path / "whole"))
    save_file(
        {name: parent.tensor(name).contiguous() for name in parent.info.tensors},
        whole / "model.safetensors",
    )
    recipe = Recipe.parse(
        {
            "merge_method": "ties",
            "base_model": "base",
            "models": [{"model": "maths"}, {"model": "adapted"}],
            "parameters": {"weight": 0.5, "density": 0.4},
        }
    )
    children = []
    for adapted in (whole, joined(tied["base"], adapter)):
        parents = {"base": tied["base"], "maths": tied["maths"], "adapted": adapted}
        write_checkpoint(recipe, parents, tmp_path / "child", overwrite=True)
        written = load_file(tmp_path / "child" / "model.safetensors")
        resident = MergeEngine(parents).merge(recipe)
        assert all(torch.equal(resident.get_parameter(name), one) for name, one in written.items())
        children.append(written)
    assert children[0].keys() == children[1].keys()
    assert all(torch.equal(children[0][name], children[1][name]) for name in children[0])


def test_a_child_with_an_adapter_as_its_template(
    tied: Family, adapter: Path, tmp_path: Path
) -> None:
    path = joined(tied["base"], adapter)
    recipe = Recipe.parse({"merge_method": "linear", "models": [{"model": "adapted"}]})
    write_checkpoint(recipe, {"adapted": path}, tmp_path / "child")
    child, parent = open_parent(tmp_path / "child"), open_parent(path)
    for name in parent.info.tensors:
        assert torch.equal(child.tensor(name), parent.tensor(name))
    assert json.loads((tmp_path / "child" / "tokenizer.json").read_text()) == {"made_by": "base"}


def test_an_adapter_may_come_first(tied: Family, adapter: Path, tmp_path: Path) -> None:
    path = joined(tied["base"], adapter)
    parent = open_parent(path)
    engine = MergeEngine({"adapted": path, "maths": tied["maths"]})
    for name in parent.info.tensors:
        assert torch.equal(engine.model.get_parameter(name), parent.tensor(name))
    sources = [("adapted", 0, 3), ("maths", 2, 3)]
    hops = [
        {"sources": [{"model": name, "layer_range": [start, end]}]} for name, start, end in sources
    ]
    recipe = Recipe.parse({"merge_method": "passthrough", "slices": hops})
    tokens = torch.tensor([[1, 5, 9, 13, 2]])
    write_checkpoint(recipe, {"adapted": path, "maths": tied["maths"]}, tmp_path / "child")
    loaded: Any = LlamaForCausalLM.from_pretrained(tmp_path / "child")
    with torch.no_grad():
        child: Any = engine.merge(recipe)
        torch.testing.assert_close(loaded(tokens).logits, child(tokens).logits)


def test_the_digest_is_of_base_and_adapter(tied: Family, adapter: Path) -> None:
    digests = {
        content_digest(tied["base"]),
        content_digest(joined(tied["base"], adapter)),
        content_digest(joined(tied["maths"], adapter)),
    }
    (adapter / "adapter_config.json").write_text(
        (adapter / "adapter_config.json").read_text().replace("6", "8")
    )
    digests.add(content_digest(joined(tied["base"], adapter)))
    assert len(digests) == 4


def test_an_adapter_alone_may_name_its_base(tied: Family, tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    write_adapter(folder, base_model_name_or_path=str(tied["base"].resolve()))
    info = inspect_checkpoint(folder)
    assert (info.path, info.folder) == (joined(tied["base"], folder), tied["base"])
    for name in ("my-runs/base", None):
        write_adapter(folder, base_model_name_or_path=name)
        with pytest.raises(CheckpointError, match=r"which model it belongs to .*base\+adapter"):
            inspect_checkpoint(folder)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"peft_type": "IA3"}, "peft_type is 'IA3'; only LORA"),
        ({"bias": "all"}, "bias is 'all'"),
        ({"use_dora": True}, "use_dora is set, which is not supported"),
        ({"init_lora_weights": "pissa_niter_4"}, "'pissa_niter_4', which changes the base"),
        ({"lora_alpha": None}, "lora_alpha over the rank is no number"),
    ],
)
def test_adapters_of_another_kind(
    config: dict[str, Any], message: str, tied: Family, tmp_path: Path
) -> None:
    write_adapter(tmp_path / "adapter", **config)
    with pytest.raises(CheckpointError, match=re.escape(message)) as caught:
        inspect_checkpoint(joined(tied["base"], tmp_path / "adapter"))
    assert "adapter_config.json" in str(caught.value)


A, B = f"base_model.model.{QUERY}.lora_A.weight", f"base_model.model.{QUERY}.lora_B.weight"
MAGNITUDE = f"base_model.model.{QUERY}.lora_magnitude_vector"


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({A: torch.ones(2, 32)}, f"of '{QUERY}' there is only one factor, lora_A"),
        ({A: torch.ones(2, 32), B: torch.ones(32, 3)}, "which have no product"),
        ({A: torch.ones(2, 30), B: torch.ones(32, 2)}, f"is [32, 30] for '{QUERY}.weight', which"),
        ({A: torch.ones(0, 32), B: torch.ones(32, 0)}, "lora_alpha over the rank is no number"),
        (
            {A.replace("layers.1", "layers.7"): torch.ones(2, 32)}
            | {B.replace("layers.1", "layers.7"): torch.ones(32, 2)},
            "'model.layers.7.self_attn.q_proj.weight', which the base has not",
        ),
        ({MAGNITUDE: torch.ones(32)}, "q_proj.lora_magnitude_vector', which the base has not"),
        ({A: torch.ones(2, 32, dtype=torch.int8)}, f"tensor '{A}' has the type I8"),
    ],
)
def test_tensors_that_do_not_fit(
    tensors: dict[str, Tensor], message: str, tied: Family, tmp_path: Path
) -> None:
    write_adapter(tmp_path / "adapter", tensors)
    with pytest.raises(CheckpointError, match=re.escape(message)):
        inspect_checkpoint(joined(tied["base"], tmp_path / "adapter"))


def test_adapters_without_safetensors(tied: Family, adapter: Path) -> None:
    weights = adapter / "adapter_model.safetensors"
    weights.rename(adapter / "adapter_model.bin")
    with pytest.raises(CheckpointError, match="only pickle weights"):
        inspect_checkpoint(joined(tied["base"], adapter))
    (adapter / "adapter_model.bin").unlink()
    with pytest.raises(CheckpointError, match=r"no adapter_model\.safetensors"):
        inspect_checkpoint(joined(tied["base"], adapter))
    (adapter / "adapter_config.json").unlink()
    with pytest.raises(CheckpointError, match=r"no adapter_config\.json"):
        inspect_checkpoint(joined(tied["base"], adapter))
