"""Models on disk: what is in them, found without loading a weight, and their tensors, mapped.

A model is a Hugging Face checkpoint, a folder with config.json and safetensors files, one or an
index of shards; or `base+adapter`, a folder and a LoRA adapter; or a GGUF file, or a folder with
one, which is converted once. Pickled weights are never opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import safe_open

from merging.adapters import CONFIG, WEIGHTS, Adapter, read_adapter
from merging.checks import check_recipe
from merging.digests import digest_of_files
from merging.errors import CheckpointError
from merging.gguf_files import converted, described, gguf_file, is_converted
from merging.heads import HEADS
from merging.model_files import (
    TOKENIZER_FILES,
    TensorInfo,
    check_dtypes,
    read_header,
    read_json,
    weight_files,
)
from merging.references import joined, parts

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "CheckpointInfo",
    "Parent",
    "TensorInfo",
    "check_recipe",
    "checkpoint_of",
    "content_digest",
    "describe_checkpoint",
    "inspect_checkpoint",
    "is_there",
    "open_parent",
]

_LAYER_KEYS = ("num_hidden_layers", "n_layer", "num_layers")
# A tensor with an adapter is asked for a few times in a row.
_ADAPTED = 2


@dataclass(frozen=True)
class CheckpointInfo:
    """What config.json and the headers of the weight files say.

    `path` opens the model again: its folder, or `base+adapter`. `tensors` leaves out the head where
    it is tied to the embeddings, even if a file repeats it; the types are those of the base where
    there is an adapter.
    """

    path: Path
    config: Mapping[str, Any]
    tensors: Mapping[str, TensorInfo]
    num_layers: int
    tied_embeddings: bool
    adapter: Adapter | None = None

    @property
    def folder(self) -> Path:
        """Where config.json, the tokenizer and the files of `tensors` lie: an adapter's base."""
        return self.path if self.adapter is None else self.adapter.base


class Parent:
    """A checkpoint whose tensors lie in memory-mapped files, shared by all processes that map it.

    Use `open_parent`.
    """

    def __init__(self, info: CheckpointInfo) -> None:
        self.info = info
        self._views: dict[str, Tensor] = {}
        self._files: dict[str, Any] = {
            name: safe_open(info.folder / name, framework="pt")
            for name in sorted({tensor.file for tensor in info.tensors.values()})
        }
        self._adapted = lru_cache(maxsize=_ADAPTED)(self._with_adapter)

    def tensor(self, name: str) -> Tensor:
        """The tensor as it lies in the file, not copied: read it, never write to it.

        What an adapter changes is computed when asked for, in float32, and soon forgotten.
        """
        if self.info.adapter is not None and self.info.adapter.changed(name):
            return self._adapted(name)
        return self._stored(name)

    def _stored(self, name: str) -> Tensor:
        # Making a view takes longer than adding up a small tensor, so each is made once.
        if name not in self._views:
            file = self._files[self.info.tensors[name].file]
            self._views[name] = file.get_tensor(name)
        return self._views[name]

    def _with_adapter(self, name: str) -> Tensor:
        adapter = self.info.adapter
        assert adapter is not None
        with safe_open(adapter.folder / WEIGHTS, framework="pt") as file:
            return adapter.apply(name, self._stored(name), file)


def inspect_checkpoint(folder: Path) -> CheckpointInfo:
    """What a model holds; raises CheckpointError, in one sentence, if it cannot be merged.

    Weights are floats of 16 bits or more, of one type or several; quantised ones are refused, but
    for a GGUF file's, which is converted first: that takes as long as loading it.
    """
    base, adapter = parts(folder)
    file = gguf_file(base)
    info = _inspect_folder(base if file is None else converted(base, file))
    return _adapted(info, adapter)


def describe_checkpoint(path: Path) -> CheckpointInfo:
    """What `inspect_checkpoint` says, at once: of a GGUF file that is not converted yet, what its
    folder will hold. The weights of that can't be opened. Raises CheckpointError."""
    base, adapter = parts(path)
    file = gguf_file(base)
    if file is None or is_converted(base, file):
        return inspect_checkpoint(path)
    description = described(base, file)
    return _adapted(checkpoint_of(description.folder, description.tensors), adapter)


def is_there(path: Path) -> bool:
    """Whether the weights can be opened as they lie: a GGUF file must be converted first."""
    base, _ = parts(path)
    file = gguf_file(base)
    return file is None or is_converted(base, file)


def open_parent(folder: Path) -> Parent:
    """Inspect a model and map its weights; raises CheckpointError."""
    return Parent(inspect_checkpoint(folder))


def content_digest(folder: Path) -> str:
    """SHA-256 over a model's config, weight, tokenizer and adapter files, whatever its name.

    A file is read once while it stays as it is.
    """
    info = inspect_checkpoint(folder)
    tokenizer = [name for name in TOKENIZER_FILES if (info.folder / name).is_file()]
    weights = sorted({tensor.file for tensor in info.tensors.values()})
    files = [(name, info.folder / name) for name in ["config.json", *weights, *tokenizer]]
    if info.adapter is not None:
        files += [(name, info.adapter.folder / name) for name in (CONFIG, WEIGHTS)]
    return digest_of_files(files)


def checkpoint_of(folder: Path, tensors: Mapping[str, TensorInfo]) -> CheckpointInfo:
    """A model by its config.json and the headers of its weights, wherever these are.

    Raises CheckpointError.
    """
    config = read_json(folder / "config.json", "no config.json, so this is no model folder")
    check_dtypes(folder, tensors, quantised=bool(config.get("quantization_config")))
    depth = next((config[key] for key in _LAYER_KEYS if isinstance(config.get(key), int)), None)
    if depth is None:
        raise CheckpointError(f"{folder}: config.json does not say how many layers there are")
    untied = any(name in tensors for name in HEADS)
    tied = bool(config.get("tie_word_embeddings", not untied))
    if tied:
        tensors = {name: tensor for name, tensor in tensors.items() if name not in HEADS}
    return CheckpointInfo(folder, config, tensors, depth, tied)


def _adapted(info: CheckpointInfo, adapter: Path | None) -> CheckpointInfo:
    if adapter is None:
        return info
    read = read_adapter(adapter, info.path, info.tensors)
    return replace(info, path=joined(info.path, adapter), adapter=read)


def _inspect_folder(folder: Path) -> CheckpointInfo:
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such folder")
    # Said before anything of the weights.
    read_json(folder / "config.json", "no config.json, so this is no model folder")
    tensors: dict[str, TensorInfo] = {}
    for name in weight_files(folder):
        tensors |= read_header(folder / name)
    return checkpoint_of(folder, tensors)
