"""The files of a model folder, and what safetensors headers say of the weights in them."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merging.errors import CheckpointError

INDEX = "model.safetensors.index.json"
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "generation_config.json",
)

FLOATS = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
"""Torch's names of floating types, by those of safetensors."""

_HEADERS = "headers.json"
# Counters, masks and positions, which are copied. Smaller integers are quantised weights.
_COPIED = ("I64", "I32", "I16", "BOOL")


@dataclass(frozen=True)
class TensorInfo:
    """`dtype` is torch's name of a floating type ("float32"), or safetensors' name of another.

    `file` is the file's name in the folder.
    """

    shape: tuple[int, ...]
    dtype: str
    file: str


def weight_files(folder: Path) -> list[str]:
    """Names of the safetensors files that make up a model; raises CheckpointError."""
    if (folder / INDEX).is_file():
        index = read_json(folder / INDEX, "").get("weight_map")
        if not isinstance(index, dict) or not index:
            raise CheckpointError(f"{folder / INDEX}: has no weight_map")
        names = sorted(set(map(str, index.values())))
        for name in names:
            if Path(name).name != name:
                raise CheckpointError(f"{folder / INDEX}: {name!r} is not a file of this folder")
            if not (folder / name).is_file():
                raise CheckpointError(f"{folder}: the index names {name}, which is missing")
        return names
    if (folder / "model.safetensors").is_file():
        return ["model.safetensors"]
    refuse_pickles(folder)
    raise CheckpointError(f"{folder}: no model.safetensors")


def refuse_pickles(folder: Path) -> None:
    """Raise CheckpointError if a folder holds pickled weights."""
    if any(path for kind in ("*.bin", "*.pt", "*.pth") for path in folder.glob(kind)):
        raise CheckpointError(f"{folder}: only pickle weights; Cuvee loads safetensors only")


def read_json(path: Path, missing: str) -> dict[str, Any]:
    """A JSON object; raises CheckpointError, which says `missing` if there is no such file."""
    if not path.is_file():
        raise CheckpointError(f"{path.parent}: {missing}")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise CheckpointError(f"{path}: is not JSON") from None
    if not isinstance(data, dict):
        raise CheckpointError(f"{path}: is not a JSON object")
    return data


def read_header(path: Path) -> dict[str, TensorInfo]:
    """A safetensors file's header: its length in 8 bytes, then JSON with offsets into the rest.

    Raises CheckpointError if the file is cut short or damaged.
    """
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
                tuple(entry["shape"]), FLOATS.get(entry["dtype"], entry["dtype"]), path.name
            )
            for name, entry in header.items()
        }
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, IndexError):
        raise CheckpointError(f"{path}: is truncated or is no safetensors file") from None
    if 8 + length + end != size:
        message = f"is truncated or damaged: {size} bytes, where {8 + length + end} are declared"
        raise CheckpointError(f"{path}: {message}")
    return tensors


def write_headers(folder: Path, tensors: Mapping[str, TensorInfo]) -> None:
    """Keep what weights' headers say in a folder that has no weights, for `read_headers`."""
    data = {name: [one.shape, one.dtype, one.file] for name, one in tensors.items()}
    (folder / _HEADERS).write_text(json.dumps(data), encoding="utf-8")


def read_headers(folder: Path) -> dict[str, TensorInfo]:
    """What `write_headers` has kept."""
    data = json.loads((folder / _HEADERS).read_text(encoding="utf-8"))
    return {
        name: TensorInfo(tuple(shape), dtype, file) for name, (shape, dtype, file) in data.items()
    }


def check_dtypes(folder: Path, tensors: Mapping[str, TensorInfo], *, quantised: bool) -> None:
    """Raise CheckpointError, naming the first tensor whose type cannot be merged.

    Floating types of 16 bits and more are merged and other tensors copied; weights of 8 bits or
    fewer mean nothing without the scales beside them. So do all integers of a `quantised` model.
    """
    for name, one in tensors.items():
        if one.dtype in FLOATS.values() or (one.dtype in _COPIED and not quantised):
            continue
        message = f"tensor {name!r} has the type {one.dtype}; weights must be unquantised floats"
        raise CheckpointError(f"{folder / one.file}: {message}")
