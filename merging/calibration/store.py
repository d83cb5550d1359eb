"""Statistics as files: computed once, named by all that they depend on, mapped by all who read."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from filelock import FileLock
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from merging.calibration.needs import Setting
from merging.errors import CalibrationError

# Raised when a statistic is computed otherwise than before.
_VERSION = 1

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Measured:
    """What was computed for one recipe: tensors by name, of each model, and of all together."""

    of_models: Mapping[str, Tensors] = field(default_factory=lambda: MappingProxyType({}))
    joint: Tensors = field(default_factory=lambda: MappingProxyType({}))

    def tensor(self, model: str, name: str) -> Tensor:
        """A model's statistic under a tensor's name; raises CalibrationError if there is none."""
        try:
            return self.of_models[model][name]
        except KeyError:
            message = f"there is no statistic of the tensor {name!r} of model {model!r}"
            raise CalibrationError(message) from None

    def numbers(self) -> dict[str, list[float]]:
        """The joint statistics, each a vector, as lists."""
        return {name: tensor.tolist() for name, tensor in self.joint.items()}


def statistic_name(
    kind: str, models: Sequence[str], texts: Sequence[str], settings: Mapping[str, Setting]
) -> str:
    """The file's name: a digest of the kind, the content digests of models and texts in their
    order, and whatever else the result depends on."""
    plain = [kind, _VERSION, list(models), list(texts), dict(settings)]
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:40]}.safetensors"


def kept(folder: Path, name: str, compute: Callable[[], Tensors]) -> Tensors:
    """The tensors of the file `name`, mapped; `compute()` writes them if there is no such file.

    Of several processes that want it at the same time one computes, and the others wait for it.
    The file appears whole or not at all.
    """
    path = folder / name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        # The kernel drops the lock of a process that dies.
        with FileLock(folder / f".{name}.lock"):
            if not path.exists():
                draft = folder / f".{uuid.uuid4().hex}.safetensors"
                try:
                    tensors = {key: one.contiguous().cpu() for key, one in compute().items()}
                    save_file(tensors, draft)
                    draft.replace(path)
                finally:
                    draft.unlink(missing_ok=True)
    with safe_open(path, framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
