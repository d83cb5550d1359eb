"""Where a checkpoint keeps its experts, and where a loaded model does.

Checkpoints of the Mixtral and Qwen-MoE families have a tensor for every matrix of every expert.
Loaded by transformers, a block's experts lie in two tensors: gate above up, and down.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from merging.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

# What the matrices are called in a checkpoint: (gate, up, down).
_MIXTRAL = ("w1", "w3", "w2")
_QWEN = ("gate_proj", "up_proj", "down_proj")
_EXPERT = re.compile(r"(.+)\.experts\.(\d+)\.(?:w1|gate_proj)\.weight")


@dataclass(frozen=True)
class Expert:
    """Names of an expert's matrices: `gate` and `up` (units x hidden), `down` (hidden x units)."""

    gate: str
    up: str
    down: str


@dataclass(frozen=True)
class ExpertBlock:
    """One block's experts in their order, and the name of the router's weights."""

    router: str
    experts: tuple[Expert, ...]


def expert_blocks(names: Iterable[str]) -> list[ExpertBlock]:
    """The blocks of experts among a checkpoint's tensors, in the order of the names.

    Raises CheckpointError if there are none, or one lacks a tensor.
    """
    known = dict.fromkeys(names)
    counts: dict[str, int] = {}
    for name in known:
        if found := _EXPERT.fullmatch(name):
            counts[found[1]] = max(counts.get(found[1], 0), int(found[2]) + 1)
    if not counts:
        raise CheckpointError("the model has no experts of the Mixtral or Qwen-MoE layout")
    blocks = []
    for prefix, count in counts.items():
        parts = _MIXTRAL if f"{prefix}.experts.0.w1.weight" in known else _QWEN
        experts = tuple(
            Expert(*(f"{prefix}.experts.{number}.{part}.weight" for part in parts))
            for number in range(count)
        )
        block = ExpertBlock(f"{prefix}.gate.weight", experts)
        wanted = [block.router, *(one for e in experts for one in (e.gate, e.up, e.down))]
        for name in wanted:
            if name not in known:
                raise CheckpointError(f"the model has no tensor {name!r}, which its experts need")
        blocks.append(block)
    return blocks


def stored_tensors(model: Any, values: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """The parameters of a loaded model by the names that its checkpoint has for them.

    Experts that lie in one tensor come as views into it, so that what is written to them is
    written to the model; of other models these are its named parameters. With `values`, tensors of
    the shapes of the named parameters, those take the parameters' place.
    """
    mixtral = model.config.model_type == "mixtral"
    gate, up, down = _MIXTRAL if mixtral else _QWEN
    stored: dict[str, Tensor] = {}
    for name, parameter in (dict(model.named_parameters()) if values is None else values).items():
        prefix, experts, kind = stored_name(model, name).rpartition(".experts.")
        if experts and kind == "gate_up_proj":
            units = parameter.shape[1] // 2
            for number, expert in enumerate(parameter):
                stored[f"{prefix}.experts.{number}.{gate}.weight"] = expert[:units]
                stored[f"{prefix}.experts.{number}.{up}.weight"] = expert[units:]
        elif experts and kind == "down_proj":
            for number, expert in enumerate(parameter):
                stored[f"{prefix}.experts.{number}.{down}.weight"] = expert
        else:
            stored[stored_name(model, name)] = parameter
    return stored


def stored_name(model: Any, name: str) -> str:
    """What a checkpoint calls a parameter that is no expert's: Mixtral's blocks are renamed."""
    mixtral = model.config.model_type == "mixtral"
    return name.replace(".mlp.", ".block_sparse_moe.") if mixtral else name
