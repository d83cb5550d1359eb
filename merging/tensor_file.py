"""A safetensors file written piece by piece, for tensors that need not be in memory at once.

The format: the header's length in 8 bytes, the header as JSON with types, shapes and offsets, and
the tensors' bytes.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import torch
from torch import Tensor

from merging.errors import CheckpointError

_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}

Shape = tuple[int, ...]


class TensorFile:
    """`tensors`: type and shape by name. A context manager; every tensor must be written in full.

    Raises CheckpointError for a type that is not written, or where something was left out.
    """

    def __init__(self, path: Path, tensors: Mapping[str, tuple[torch.dtype, Shape]]) -> None:
        self._path = path
        self._places: dict[str, tuple[torch.dtype, int]] = {}
        header: dict[str, object] = {"__metadata__": {"format": "pt"}}
        end = 0
        # The widest types first, so that each tensor begins at a multiple of its width.
        for name in sorted(tensors, key=lambda name: -tensors[name][0].itemsize):
            dtype, shape = tensors[name]
            if dtype not in _NAMES:
                raise CheckpointError(
                    f"{path}: tensor {name!r} is of {dtype}, which is not written"
                )
            start, end = end, end + math.prod(shape) * dtype.itemsize
            header[name] = {
                "dtype": _NAMES[dtype],
                "shape": shape,
                "data_offsets": [start, end],
            }
            self._places[name] = dtype, start
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        self._data = 8 + len(text)
        self._left = end
        self._file = path.open("wb")
        self._file.write(struct.pack("<Q", len(text)) + text)

    def write(self, name: str, tile: Tensor, start: int = 0) -> None:
        """Write the tensor's entries from the flat place `start` on, converted to its type."""
        dtype, offset = self._places[name]
        flat = tile.to("cpu", dtype).reshape(-1)
        self._file.seek(self._data + offset + start * dtype.itemsize)
        self._file.write(flat.view(torch.uint8).numpy().data)
        self._left -= flat.numel() * dtype.itemsize

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        if kind is None and self._left:
            raise CheckpointError(f"{self._path}: {self._left} bytes were not written")
