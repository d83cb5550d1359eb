"""What a folder holds, what is refused, and that weights are mapped and not copied."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from merging.checkpoint import content_digest, inspect_checkpoint, open_parent
from merging.errors import CheckpointError
from tests.merging.conftest import LAYERS, Family


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
    (folder / "tokenizer.json").write_text("other")
    assert content_digest(folder) == content_digest(tied["base"])
    (folder / "config.json").write_text((folder / "config.json").read_text() + " ")
    assert content_digest(folder) != content_digest(tied["base"])


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
