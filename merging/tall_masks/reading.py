"""Reading an archive: any of its parents, as tensors or as an ordinary checkpoint."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from merging.errors import CheckpointError
from merging.folders import copy_description, whole_folder
from merging.tall_masks.manifest import (
    BASE_FILE,
    MASK_FILE,
    MERGED_FILE,
    TILE,
    parent_folder,
    read_manifest,
)
from merging.tall_masks.masks import unpack
from merging.tensor_file import TensorFile


class ArchivedParent:
    """One parent of an archive: theta_0 + m_t * tau_M, in the types that its tensors had.

    Raises CheckpointError if the folder is no archive, or has no such parent.
    """

    def __init__(self, folder: Path, name: str) -> None:
        manifest = read_manifest(folder)
        if name not in manifest.parents:
            known = ", ".join(manifest.parents)
            raise CheckpointError(f"{folder}: has no parent {name!r}; there are: {known}")
        self._dtypes = manifest.parents[name].dtypes
        self._folder = parent_folder(folder, name)
        self._base = _opened(folder / BASE_FILE)
        self._merged = _opened(folder / MERGED_FILE)
        self._masks = _opened(self._folder / MASK_FILE)
        self.names: list[str] = list(self._base.keys())

    def tensor(self, name: str) -> Tensor:
        """The tensor of this name, newly made or mapped."""
        base = self._base.get_tensor(name)
        if name not in self._dtypes:
            mapped: Tensor = base
            return mapped
        out = torch.empty(base.shape, dtype=getattr(torch, self._dtypes[name]))
        merged, packed = self._merged.get_tensor(name), self._masks.get_tensor(name).numpy()
        flat_base, flat_merged, flat = base.reshape(-1), merged.reshape(-1), out.view(-1)
        for start in range(0, out.numel(), TILE):
            end = min(start + TILE, out.numel())
            mask = torch.from_numpy(unpack(packed[start // 8 : math.ceil(end / 8)], end - start))
            flat[start:end] = flat_base[start:end].float() + mask * flat_merged[start:end].float()
        return out

    def restore(
        self,
        out: Path,
        *,
        overwrite: bool = False,
        report: Callable[[int, int], None] | None = None,
    ) -> None:
        """Write an ordinary checkpoint, with the config and the tokenizer that the parent had.

        One tensor at a time; `report` is called with (tensors done, tensors in all). Raises
        CheckpointError if `out` holds anything and `overwrite` is not set.
        """
        tensors = {name: self._base.get_tensor(name) for name in self.names}
        layout = {
            name: (
                getattr(torch, self._dtypes[name]) if name in self._dtypes else base.dtype,
                tuple(base.shape),
            )
            for name, base in tensors.items()
        }
        with whole_folder(out, overwrite=overwrite) as draft:
            copy_description(self._folder, draft)
            with TensorFile(draft / "model.safetensors", layout) as file:
                for number, name in enumerate(self.names, start=1):
                    file.write(name, self.tensor(name))
                    if report is not None:
                        report(number, len(self.names))


def _opened(path: Path) -> Any:
    try:
        return safe_open(path, framework="pt")
    except (OSError, SafetensorError):
        raise CheckpointError(f"{path}: is missing, truncated or no safetensors file") from None
