"""Writing a model whose experts were merged, as an ordinary checkpoint."""

from __future__ import annotations

from pathlib import Path

import torch

from merging.checkpoint import Parent
from merging.errors import NonFiniteError
from merging.folders import copy_description, whole_folder
from merging.moe.merge import MergedExperts
from merging.tensor_file import TensorFile


def write_merged(
    parent: Parent, experts: MergedExperts, out: Path, *, overwrite: bool = False
) -> None:
    """Write the child to `out`: the parent's layout, types, config and tokenizer.

    Every expert is written, those that share weights too: no format in use stores them once. One
    tensor at a time; the folder appears whole or not at all. Raises CheckpointError if `out` holds
    anything and `overwrite` is not set, NonFiniteError for NaN or infinity in merged experts.
    """
    tensors = parent.info.tensors
    layout = {name: (parent.tensor(name).dtype, one.shape) for name, one in tensors.items()}
    with whole_folder(out, overwrite=overwrite) as draft:
        copy_description(parent.info.folder, draft)
        with TensorFile(draft / "model.safetensors", layout) as file, torch.no_grad():
            for name in tensors:
                merged = experts.tensor(name)
                if not bool(merged.isfinite().all()):
                    raise NonFiniteError(f"the merged tensor {name!r} holds NaN or infinity")
                file.write(name, merged)
