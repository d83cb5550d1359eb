"""Attention of many rows to one copy of the tokens that they all start with.

The prompts of a few-shot task share their examples. Here those are computed once, as one row, and
their keys and values are kept once: every row attends to them and to its own tokens apart, and the
two results are put together by how much weight each had (the log-sum-exp of its scores), as in
FlashAttention's split of the keys (arXiv 2205.14135) and Hydragen (arXiv 2402.05099). So the
prefix is read from memory once a step, not once a row.

A model takes part through transformers' registry of attention functions. `read_prefix` finds out
whether all its layers do.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import sdpa_mask

_NAME = "cuvee_shared_prefix"
# The implementation that this one replaces, and equals where there is no prefix.
_REPLACED = "sdpa"
# What a layer may add to plain attention.
_ADDITIONS = ("softcap", "s_aux", "position_bias")


@dataclass
class SharedPrefix:
    """Keys and values (heads, tokens, head size) of a prefix, for each place of a layer."""

    length: int
    layers: dict[int, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)
    complete: bool = False


def common_prefix(prompts: Sequence[tuple[int, ...]]) -> int:
    """How many tokens all prompts start with, at least one token of each left over."""
    if not prompts:
        return 0
    first, last = min(prompts), max(prompts)
    shortest = min(map(len, prompts)) - 1
    for place, (one, other) in enumerate(zip(first, last, strict=False)):
        if place >= shortest or one != other:
            return place
    return max(shortest, 0)


def read_prefix(model: PreTrainedModel, tokens: Sequence[int]) -> SharedPrefix | None:
    """Compute a prefix; None where a layer of the model does not attend in the plain way."""
    if not _takes_part(model):
        return None
    prefix = SharedPrefix(len(tokens))
    with sharing(model, prefix) as arguments:
        model(
            input_ids=torch.tensor([tokens], device=model.device),
            use_cache=False,
            logits_to_keep=1,
            **arguments,
        )
    if sorted(prefix.layers) != list(range(model.config.num_hidden_layers)):
        return None
    prefix.complete = True
    return prefix


@contextmanager
def sharing(model: PreTrainedModel, prefix: SharedPrefix | None) -> Iterator[dict[str, Any]]:
    """Let a model's layers attend to the prefix; yields what its forward pass needs for that."""
    if prefix is None:
        yield {}
        return
    configs = _configs(model)
    for config in configs:
        config._attn_implementation = _NAME
    try:
        yield {"shared_prefix": prefix}
    finally:
        for config in configs:
            config._attn_implementation = _REPLACED


def _takes_part(model: PreTrainedModel) -> bool:
    parameters = inspect.signature(model.forward).parameters.values()
    hands_on = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    return hands_on and all(config._attn_implementation == _REPLACED for config in _configs(model))


def _configs(model: PreTrainedModel) -> list[Any]:
    """Every configuration that a layer reads; those of a path through several models differ."""
    found = {id(m.config): m.config for m in model.modules() if hasattr(m, "config")}
    return [config for config in found.values() if hasattr(config, "_attn_implementation")]


def _attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float | None = None,
    shared_prefix: SharedPrefix | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """An attention function of transformers: query (rows, heads, tokens, head size)."""
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    own, weight = _part(query, key, value, attention_mask, scale)
    if shared_prefix is not None and not shared_prefix.complete:
        plain = all(others.get(name) is None for name in _ADDITIONS)
        if plain and others.get("is_causal") is not False:
            shared_prefix.layers[module.layer_idx] = (key[0].clone(), value[0].clone())
    elif shared_prefix is not None:
        common, common_weight = _to_prefix(query, shared_prefix.layers[module.layer_idx], scale)
        share = torch.sigmoid(common_weight - weight)[..., None]
        own = torch.lerp(own.float(), common.float(), share.float()).to(own.dtype)
    return own.transpose(1, 2).contiguous(), None


def _to_prefix(
    query: torch.Tensor, layer: tuple[torch.Tensor, torch.Tensor], scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """All rows' queries of a head as the queries of one long row."""
    keys, values = layer
    rows, heads, tokens, size = query.shape
    groups = heads // keys.shape[0]
    together = (
        query.reshape(rows, len(keys), groups, tokens, size)
        .transpose(0, 1)
        .reshape(1, len(keys), -1, size)
    )
    result, weight = _part(together, keys[None], values[None], None, scale, causal=False)
    shape = (len(keys), rows, groups, tokens)
    result = result.reshape(*shape, size).transpose(0, 1).reshape(rows, heads, tokens, size)
    return result, weight.reshape(shape).transpose(0, 1).reshape(rows, heads, tokens)


def _part(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    scale: float,
    *,
    causal: bool | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention to some of the keys, and the log-sum-exp of the scores (rows, heads, tokens)."""
    if causal is None:
        causal = mask is None and query.shape[2] > 1
    if query.device.type == "cpu":
        result: tuple[torch.Tensor, torch.Tensor] = (
            torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
                query, key, value, 0.0, causal, attn_mask=mask, scale=scale
            )
        )
        return result
    return plain_attention(query, key, value, mask, scale, causal=causal)


def plain_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    scale: float,
    *,
    causal: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Softmax attention by its definition, and the log-sum-exp of its scores, on any device."""
    groups = query.shape[1] // key.shape[1]
    key, value = (states.repeat_interleave(groups, dim=1) for states in (key, value))
    scores = (query @ key.transpose(2, 3)).float() * scale
    if mask is not None:
        scores = scores + mask
    if causal:
        later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(later, -torch.inf)
    return scores.softmax(dim=-1).to(value.dtype) @ value, scores.logsumexp(dim=-1)


AttentionInterface.register(_NAME, _attend)
AttentionMaskInterface.register(_NAME, sdpa_mask)
