"""What a folder holds, what is refused, and that weights are mapped and not copied."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from merging.checkpoint import content_digest, inspect_checkpoint, open_parent
from merging.errors import CheckpointError
from tests.merging.conftest import LAYERS, Family

QUERY = "model.layers.0.self_attn.q_proj.weight"


@pytest.fixture
def folder(tied: Family, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(tied["base"], tmp_path / "model"))


def test_a_folder_is_described(family: Family, request: pytest.FixtureRequest) -> None:
    info = inspect_checkpoint(family["base"])
    assert info.num_layers == LAYERS
    assert info.tied_embeddings == ("tied" in request.node.callspec.params.values())
    assert info.config["model_type"] == "llama"
    embeddings = info.tensors["model.embed_tokens.weight"]
    assert (embeddings.shape, embeddings.dtype) == ((40, 32), "float32")
    weights = load_file(family["base"] / "model.safetensors")
    assert {name: tuple(one.shape) for name, one in weights.items()} == {
        name: one.shape for name, one in info.tensors.items()
    }


def test_a_tied_head_is_left_out_even_if_the_file_has_it(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    head = weights["model.embed_tokens.weight"].clone()
    save_file({**weights, "lm_head.weight": head}, folder / "model.safetensors")
    assert "lm_head.weight" not in inspect_checkpoint(folder).tensors


def test_whether_embeddings_are_tied_is_seen_from_the_weights(untied: Family, folder: Path) -> None:
    for source in (untied["base"], folder):
        config = json.loads((source / "config.json").read_text())
        expected = config.pop("tie_word_embeddings")
        copy = Path(shutil.copytree(source, folder.parent / f"copy-{expected}"))
        (copy / "config.json").write_text(json.dumps(config))
        assert inspect_checkpoint(copy).tied_embeddings is expected


def shard(folder: Path) -> dict[str, torch.Tensor]:
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    index: dict[str, str] = {}
    for number, part in enumerate((list(weights)[::2], list(weights)[1::2])):
        save_file({name: weights[name] for name in part}, folder / f"part{number}.safetensors")
        index |= dict.fromkeys(part, f"part{number}.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    return weights


def test_shards(folder: Path) -> None:
    weights = shard(folder)
    parent = open_parent(folder)
    assert set(parent.info.tensors) == set(weights)
    assert all(torch.equal(parent.tensor(name), weights[name]) for name in weights)


@pytest.mark.parametrize(
    ("weight_map", "message"),
    [
        ({}, "has no weight_map"),
        ({"w": "gone.safetensors"}, "the index names gone.safetensors, which is missing"),
        ({"w": "../other/model.safetensors"}, "is not a file of this folder"),
    ],
)
def test_an_index_that_is_wrong(folder: Path, weight_map: object, message: str) -> None:
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(CheckpointError, match=message):
        inspect_checkpoint(folder)


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"gone: no such folder$"):
        inspect_checkpoint(tmp_path / "gone")


@pytest.mark.parametrize("weights", ["pytorch_model.bin", "model.pt"])
def test_pickled_weights_are_refused(folder: Path, weights: str) -> None:
    (folder / "model.safetensors").rename(folder / weights)
    with pytest.raises(CheckpointError, match="only pickle weights; Cuvee loads safetensors only"):
        inspect_checkpoint(folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", None, "no config.json"),
        ("config.json", b"{", "is not JSON"),
        ("config.json", b"[]", "is not a JSON object"),
        ("config.json", b"{}", "how many layers"),
        ("model.safetensors", None, "no model.safetensors"),
        ("model.safetensors", b"", "truncated"),
        ("model.safetensors", b"\xff" * 100, "truncated"),
        ("model.safetensors", b"\x02" + bytes(7) + b"[]", "truncated"),
        ("model.safetensors", b"\x0b" + bytes(7) + b'{"w": true}', "truncated"),
    ],
)
def test_files_that_are_wrong(folder: Path, name: str, content: bytes | None, message: str) -> None:
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        inspect_checkpoint(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [4, 100, -1])
def test_weights_that_are_cut_short(folder: Path, size: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(CheckpointError, match="is truncated"):
        open_parent(folder)


def test_the_digest_is_of_the_content(tied: Family, folder: Path) -> None:
    assert content_digest(folder) == content_digest(tied["base"])
    assert content_digest(folder) != content_digest(tied["maths"])
    for name in ("tokenizer.json", "config.json"):
        content = (folder / name).read_text()
        (folder / name).write_text(content + " ")
        assert content_digest(folder) != content_digest(tied["base"])
        (folder / name).write_text(content)
        assert content_digest(folder) == content_digest(tied["base"])
    (folder / "README.md").write_text("about it")
    assert content_digest(folder) == content_digest(tied["base"])


def test_a_file_is_hashed_once_while_it_stays_as_it_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    real = hashlib.file_digest

    def noted(file: io.BufferedReader, kind: str) -> object:
        hashed.append(Path(file.name).name)
        return real(file, kind)

    monkeypatch.setattr(hashlib, "file_digest", noted)
    first = content_digest(folder)
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(hashed)
    hashed.clear()
    assert content_digest(folder) == first
    assert hashed == []
    weights = load_file(folder / "model.safetensors")
    save_file({name: one + 1 for name, one in weights.items()}, folder / "model.safetensors")
    assert content_digest(folder) != first
    assert hashed == ["model.safetensors"]


def test_tensors_of_several_types_are_read_as_stored(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    kinds = [torch.bfloat16, torch.float16, torch.float32, torch.float64]
    mixed = {name: one.to(kinds[i % 4]) for i, (name, one) in enumerate(weights.items())}
    save_file(mixed, folder / "model.safetensors")
    parent = open_parent(folder)
    for name, one in mixed.items():
        assert parent.info.tensors[name].dtype == str(one.dtype).removeprefix("torch.")
        assert torch.equal(parent.tensor(name), one)


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.float8_e4m3fn])
def test_quantised_weights_are_refused(folder: Path, dtype: torch.dtype) -> None:
    weights = load_file(folder / "model.safetensors")
    weights[QUERY] = weights[QUERY].to(dtype)
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(
        CheckpointError, match=f"tensor '{re.escape(QUERY)}' has the type"
    ) as caught:
        inspect_checkpoint(folder)
    assert "model.safetensors" in str(caught.value)


def test_packed_integers_are_weights_only_in_a_quantised_model(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    counter = {"model.positions": torch.arange(4, dtype=torch.int32)}
    save_file(weights | counter, folder / "model.safetensors")
    assert inspect_checkpoint(folder).tensors["model.positions"].dtype == "I32"
    config = json.loads((folder / "config.json").read_text())
    quantised = config | {"quantization_config": {"quant_method": "gptq"}}
    (folder / "config.json").write_text(json.dumps(quantised))
    with pytest.raises(CheckpointError, match=r"tensor 'model\.positions' has the type I32"):
        inspect_checkpoint(folder)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="the kernel lists no maps")
def test_tensors_lie_in_the_map_of_the_file(folder: Path) -> None:
    parent = open_parent(folder)
    spans = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        if line.endswith(str(folder / "model.safetensors")):
            start, end = line.split()[0].split("-")
            spans.append((int(start, 16), int(end, 16)))
    assert spans
    for name in parent.info.tensors:
        address = parent.tensor(name).data_ptr()
        assert any(start <= address < end for start, end in spans)
