"""Whether blocks of several models fit on one path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from merging.dataflow.path import Path
from merging.errors import RecipeError

SCALED = ("llama", "mistral", "qwen2", "qwen3")
"""Families whose blocks may be scaled: pre-norm blocks on one residual stream, with norms that
multiply by their weight. `merging.dataflow.fold` relies on each of these."""

# What a block of the supported families reads from its model's configuration.
_READ = (
    "model_type",
    "hidden_size",
    "intermediate_size",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "hidden_act",
    "rms_norm_eps",
    "layer_norm_eps",
    "attention_bias",
    "mlp_bias",
    "sliding_window",
    "use_sliding_window",
)


def check_scales(path: Path, config: Mapping[str, Any]) -> None:
    """Raise RecipeError if a path scales blocks of a family where scales cannot be folded."""
    family = config.get("model_type")
    if family not in SCALED and any(hop.scale != 1 for hop in path.hops):
        message = f"input_scale is for blocks of {', '.join(SCALED)}, not of {family}"
        raise RecipeError("slices", message)


def check_blocks(
    field: str, name: str, config: Mapping[str, Any], like: str, wanted: Mapping[str, Any]
) -> None:
    """Raise RecipeError on `field`, naming the first setting in which model `name` differs from
    model `like` and that a block reads."""
    mine, theirs = _settings(config), _settings(wanted)
    for key, value in theirs.items():
        if mine[key] != value:
            message = f"{key} is {mine[key]} in {name!r} but {value} in {like!r}"
            raise RecipeError(field, f"blocks do not fit on one path: {message}")


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings under one spelling, with what older files leave out."""
    found: dict[str, Any] = {key: config.get(key) for key in _READ}
    heads, size = found["num_attention_heads"], found["hidden_size"]
    if found["num_key_value_heads"] is None:
        found["num_key_value_heads"] = heads
    if found["head_dim"] is None and heads and size:
        found["head_dim"] = size // heads
    for switch in ("attention_bias", "mlp_bias", "use_sliding_window"):
        found[switch] = bool(found[switch])
    rope = dict(config.get("rope_parameters") or config.get("rope_scaling") or {})
    rope.setdefault("rope_theta", config.get("rope_theta"))
    rope["rope_type"] = rope.get("rope_type", rope.pop("type", "default"))
    found["rope_parameters"] = rope
    if rope["rope_type"] != "default":
        # Some types of scaling start from it.
        found["max_position_embeddings"] = config.get("max_position_embeddings")
    return found
