"""Model folders: what is in them, found without loading a weight, and their tensors, mapped.

A folder is a Hugging Face checkpoint: config.json and safetensors files, one or an index of
shards. Pickled weights are never opened.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import safe_open

from merging.checks import check_recipe
from merging.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "CheckpointInfo",
    "Parent",
    "TensorInfo",
    "check_recipe",
    "content_digest",
    "inspect_checkpoint",
    "open_parent",
]

_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_LAYER_KEYS = ("num_hidden_layers", "n_layer", "num_layers")
_HEADS = ("lm_head.weight", "embed_out.weight")
_INDEX = "model.safetensors.index.json"


@dataclass(frozen=True)
class TensorInfo:
    """`dtype` is torch's name of a floating type ("float32"), or safetensors' name of another.

    `file` is the file's name in the folder.
    """

    shape: tuple[int, ...]
    dtype: str
    file: str


@dataclass(frozen=True)
class CheckpointInfo:
    """What config.json and the headers of the weight files say.

    `tensors` leaves out the head where it is tied to the embeddings, even if a file repeats it.
    """

    path: Path
    config: Mapping[str, Any]
    tensors: Mapping[str, TensorInfo]
    num_layers: int
    tied_embeddings: bool


class Parent:
    """A checkpoint whose tensors lie in memory-mapped files, shared by all processes that map it.

    Use `open_parent`.
    """

    def __init__(self, info: CheckpointInfo) -> None:
        self.info = info
        self._views: dict[str, Tensor] = {}
        self._files: dict[str, Any] = {
            name: safe_open(info.path / name, framework="pt")
            for name in sorted({tensor.file for tensor in info.tensors.values()})
        }

    def tensor(self, name: str) -> Tensor:
        """The tensor as it lies in the file, not copied: read it, never write to it."""
        # Making a view takes longer than adding up a small tensor, so each is made once.
        if name not in self._views:
            file = self._files[self.info.tensors[name].file]
            self._views[name] = file.get_tensor(name)
        return self._views[name]


def inspect_checkpoint(folder: Path) -> CheckpointInfo:
    """What a folder holds; raises CheckpointError, in one sentence, if it cannot be merged."""
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such folder")
    config = _read_json(folder / "config.json", "no config.json, so this is no model folder")
    tensors: dict[str, TensorInfo] = {}
    for name in _weight_files(folder):
        tensors |= _read_header(folder / name)
    depth = next((config[key] for key in _LAYER_KEYS if isinstance(config.get(key), int)), None)
    if depth is None:
        raise CheckpointError(f"{folder}: config.json does not say how many layers there are")
    untied = any(name in tensors for name in _HEADS)
    tied = bool(config.get("tie_word_embeddings", not untied))
    if tied:
        tensors = {name: tensor for name, tensor in tensors.items() if name not in _HEADS}
    return CheckpointInfo(folder, config, tensors, depth, tied)


def open_parent(folder: Path) -> Parent:
    """Inspect a folder and map its weights; raises CheckpointError."""
    return Parent(inspect_checkpoint(folder))


def content_digest(folder: Path) -> str:
    """SHA-256 over the bytes of config.json and the weight files: the model, whatever its name."""
    digest = hashlib.sha256()
    info = inspect_checkpoint(folder)
    for name in ["config.json", *sorted({tensor.file for tensor in info.tensors.values()})]:
        digest.update(f"{name}\0{(folder / name).stat().st_size}\0".encode())
        with (folder / name).open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _weight_files(folder: Path) -> list[str]:
    if (folder / _INDEX).is_file():
        index = _read_json(folder / _INDEX, "").get("weight_map")
        if not isinstance(index, dict) or not index:
            raise CheckpointError(f"{folder / _INDEX}: has no weight_map")
        names = sorted(set(map(str, index.values())))
        for name in names:
            if Path(name).name != name:
                raise CheckpointError(f"{folder / _INDEX}: {name!r} is not a file of this folder")
            if not (folder / name).is_file():
                raise CheckpointError(f"{folder}: the index names {name}, which is missing")
        return names
    if (folder / "model.safetensors").is_file():
        return ["model.safetensors"]
    pickles = [path for kind in ("*.bin", "*.pt", "*.pth") for path in folder.glob(kind)]
    if pickles:
        raise CheckpointError(f"{folder}: only pickle weights; Cuvee loads safetensors only")
    raise CheckpointError(f"{folder}: no model.safetensors")


def _read_json(path: Path, missing: str) -> dict[str, Any]:
    if not path.is_file():
        raise CheckpointError(f"{path.parent}: {missing}")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise CheckpointError(f"{path}: is not JSON") from None
    if not isinstance(data, dict):
        raise CheckpointError(f"{path}: is not a JSON object")
    return data


def _read_header(path: Path) -> dict[str, TensorInfo]:
    """A safetensors file's header: its length in 8 bytes, then JSON with offsets into the rest."""
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > size - 8:
                raise CheckpointError(f"{path}: is truncated or is no safetensors file")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
        tensors = {
            name: TensorInfo(
                tuple(entry["shape"]), _DTYPES.get(entry["dtype"], entry["dtype"]), path.name
            )
            for name, entry in header.items()
        }
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, IndexError):
        raise CheckpointError(f"{path}: is truncated or is no safetensors file") from None
    if 8 + length + end != size:
        message = f"is truncated or damaged: {size} bytes, where {8 + length + end} are declared"
        raise CheckpointError(f"{path}: {message}")
    return tensors
