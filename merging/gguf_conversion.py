"""What a GGUF file holds, written by transformers as a model folder."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GgufConfig

from merging.errors import CheckpointError
from merging.model_files import TensorInfo, write_headers

_Model: Any = AutoModelForCausalLM
_Tokenizer: Any = AutoTokenizer
# What comes of reading on in a damaged file.
_DAMAGE = (
    ArithmeticError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)


def write_model(file: Path, folder: Path) -> None:
    """Config and weights, in float32; raises CheckpointError."""
    with _one_sentence(file):
        model = _Model.from_pretrained(
            file.parent,
            gguf_file=file.name,
            dtype=torch.float32,
            quantization_config=GgufConfig(dequantize=True),
            local_files_only=True,
        )
    model.save_pretrained(folder)


def write_description(file: Path, folder: Path, *, tokenizer: bool) -> None:
    """Config, the headers of the weights that `write_model` would write, and, if it is wanted, the
    tokenizer; raises CheckpointError."""
    with _one_sentence(file):
        config = AutoConfig.from_pretrained(file.parent, gguf_file=file.name, local_files_only=True)
        with torch.device("meta"):
            model = _Model.from_config(config, dtype=torch.float32)
    config.save_pretrained(folder)
    tied = set(getattr(model, "all_tied_weights_keys", {}))
    headers = {
        name: TensorInfo(tuple(tensor.shape), "float32", "model.safetensors")
        for name, tensor in model.state_dict().items()
        if name not in tied
    }
    write_headers(folder, headers)
    if tokenizer:
        write_tokenizer(file, folder)


def write_tokenizer(file: Path, folder: Path) -> None:
    """The tokenizer; raises CheckpointError."""
    with _one_sentence(file):
        tokenizer = _Tokenizer.from_pretrained(
            file.parent, gguf_file=file.name, local_files_only=True
        )
    tokenizer.save_pretrained(folder)


@contextmanager
def _one_sentence(file: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CheckpointError(f"{file}: cannot be read as a GGUF model: {reason}") from error
