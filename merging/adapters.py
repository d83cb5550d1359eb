"""Low-rank adapters (LoRA) as peft stores them, added to the weights of their base when read.

LoRA (Hu et al., 2021, arXiv:2106.09685, section 4.1) adds to a weight W0 of shape (out, in) the
product of B (out, r) and A (r, in), scaled by alpha / r; rank-stabilised LoRA (Kalajdzievski, 2023,
arXiv:2312.03732) scales by alpha / sqrt(r).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merging.errors import CheckpointError
from merging.model_files import (
    TensorInfo,
    check_dtypes,
    read_header,
    read_json,
    refuse_pickles,
)

if TYPE_CHECKING:
    from torch import Tensor

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"

_PREFIX = "base_model.model."
_FACTOR = re.compile(r"^(.+)\.lora_(embedding_)?([AB])(?:\.weight)?$")
# What changes the formula, where it is set.
_UNSUPPORTED = (
    "use_dora",
    "use_qalora",
    "lora_bias",
    "layer_replication",
    "trainable_token_indices",
    "target_parameters",
    "alora_invocation_tokens",
    "megatron_config",
    "arrow_config",
)
# These ways to begin take a part out of the base's own weights.
_CHANGES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")


@dataclass(frozen=True)
class LowRank:
    """The change of one weight: the factors' names in the file, and what their product times.

    `transposed`: the weight is stored as (in, out).
    """

    a: str
    b: str
    scale: float
    transposed: bool


@dataclass(frozen=True)
class Adapter:
    """An adapter, and the model folder that it belongs to.

    `changes` are by the base's tensor names; `replaced` maps others to the names of whole tensors
    in the adapter's file.
    """

    folder: Path
    base: Path
    changes: Mapping[str, LowRank]
    replaced: Mapping[str, str]

    def changed(self, name: str) -> bool:
        """Whether the model's tensor is another than the base's."""
        return name in self.changes or name in self.replaced

    def apply(self, name: str, base: Tensor, file: Any) -> Tensor:
        """The model's tensor from the base's, newly made in float32, where it is `changed`.

        `file` is the adapter's, open.
        """
        if name in self.replaced:
            whole: Tensor = file.get_tensor(self.replaced[name])
            return whole.float()
        change = self.changes[name]
        a, b = (file.get_tensor(factor).float() for factor in (change.a, change.b))
        product: Tensor = b @ a
        return base.float().add(product.T if change.transposed else product, alpha=change.scale)


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter and no model."""
    return (folder / CONFIG).is_file() and not (folder / "config.json").is_file()


def read_adapter(folder: Path, base: Path, tensors: Mapping[str, TensorInfo]) -> Adapter:
    """The adapter in a folder for a base of these tensors, found without loading a weight.

    Raises CheckpointError if it is of another kind, or does not fit, naming the tensor.
    """
    config = read_json(folder / CONFIG, f"no {CONFIG}, so this is no adapter")
    _check_kind(folder, config)
    if not (folder / WEIGHTS).is_file():
        refuse_pickles(folder)
        raise CheckpointError(f"{folder}: no {WEIGHTS}")
    header = read_header(folder / WEIGHTS)
    check_dtypes(folder, header, quantised=True)
    factors: dict[tuple[str, bool], dict[str, str]] = {}
    replaced: dict[str, str] = {}
    for name in header:
        inner = name.removeprefix(_PREFIX)
        found = _FACTOR.match(inner)
        if found:
            factors.setdefault((found[1], found[2] is not None), {})[found[3]] = name
        else:
            replaced[inner] = name
    for inner, name in replaced.items():
        _check_target(folder, inner, tensors, header[name].shape)
    changes = {}
    for (module, embedding), pair in factors.items():
        target = f"{module}.weight"
        if set(pair) != {"A", "B"}:
            message = f"of {module!r} there is only one factor, lora_{''.join(pair)}"
            raise CheckpointError(f"{folder / WEIGHTS}: {message}")
        a, b = header[pair["A"]].shape, header[pair["B"]].shape
        transposed = embedding or bool(config.get("fan_in_fan_out"))
        if len(a) != 2 or len(b) != 2 or a[0] != b[1]:
            message = f"the factors of {module!r} are of the shapes {list(a)} and {list(b)}"
            raise CheckpointError(f"{folder / WEIGHTS}: {message}, which have no product")
        product = (a[1], b[0]) if transposed else (b[0], a[1])
        _check_target(folder, target, tensors, product)
        scale = _scale(config, module, a[0], folder)
        changes[target] = LowRank(pair["A"], pair["B"], scale, transposed)
    return Adapter(folder, base, changes, replaced)


def _check_kind(folder: Path, config: Mapping[str, Any]) -> None:
    kind, bias = config.get("peft_type"), config.get("bias", "none")
    begun = config.get("init_lora_weights", True)
    reason = None
    if kind != "LORA":
        reason = f"peft_type is {kind!r}; only LORA can be merged"
    elif bias != "none":
        reason = f"bias is {bias!r}; only adapters that leave biases alone can be merged"
    elif isinstance(begun, str) and begun.lower().startswith(_CHANGES_BASE):
        reason = f"init_lora_weights is {begun!r}, which changes the base; convert it to plain LoRA"
    else:
        given = next((key for key in _UNSUPPORTED if config.get(key)), None)
        if given is not None:
            reason = f"{given} is set, which is not supported"
    if reason is not None:
        raise CheckpointError(f"{folder / CONFIG}: {reason}")


def _check_target(
    folder: Path, name: str, tensors: Mapping[str, TensorInfo], shape: tuple[int, ...]
) -> None:
    if name not in tensors:
        message = f"changes a tensor {name!r}, which the base has not"
        raise CheckpointError(f"{folder / WEIGHTS}: {message}")
    if tensors[name].shape != shape:
        message = f"is {list(shape)} for {name!r}, which is {list(tensors[name].shape)} in the base"
        raise CheckpointError(f"{folder / WEIGHTS}: {message}")


def _scale(config: Mapping[str, Any], module: str, rank: int, folder: Path) -> float:
    """alpha over the rank or its root. A module's own alpha is given by the end of its name."""
    alpha = config.get("lora_alpha")
    for pattern, value in (config.get("alpha_pattern") or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            alpha = value
            break
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or rank == 0:
        raise CheckpointError(f"{folder / CONFIG}: lora_alpha over the rank is no number")
    return alpha / (sqrt(rank) if config.get("use_rslora") else rank)
