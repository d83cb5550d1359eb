"""Batched generation, as fast as a small model allows.

The loop calls the model's own forward pass and nothing else: transformers' `generate` spends more
on a small model than the model does. Prompts are tokenised and batched once a task (batches.py);
then every candidate runs through the same batches. What all prompts start with, such as few-shot
examples, is computed once a candidate (shared_prefix.py). A batch is right-padded, its prompts
computed up to their last token in groups of nearly equal length, without a mask; then all rows
advance together, one token a step (decoding.py).

Decoding is plain: argmax, or a draw at a temperature (sampling.py), with no penalties or other
processors of a generation config.
"""

from __future__ import annotations

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from evaluators.batches import Batches
from evaluators.decoding import Decoding
from evaluators.errors import UnsupportedModel
from evaluators.sampling import sample_keys
from evaluators.shared_prefix import SharedPrefix, read_prefix
from evaluators.task import Completion, GenerationSettings


@torch.inference_mode()
def generate(model: PreTrainedModel, batches: Batches) -> list[Completion]:
    """Every prompt's completions, in the order of the items; an item's samples beside each other.

    A completion ends where the model's context does, and counts as truncated; a prompt that fills
    the context by itself gets an empty one.

    Raises GenerationFailed when the model yields NaN or infinity, UnsupportedModel when a layer's
    attention window is shorter than the text.
    """
    if model.training:
        model.eval()  # type: ignore[no-untyped-call]
    settings = batches.settings
    context = getattr(model.config, "max_position_embeddings", None)
    ends = _end_tokens(model, batches.tokenizer) | batches.end_tokens
    prefix = _prefix(model, batches, context)
    offset = 0 if prefix is None else prefix.length
    completions = [Completion("", truncated=True, tokens=0)] * batches.count
    for batch in batches.whole if prefix is None else batches.batches:
        budgets = [_budget(offset + len(prompt), settings, context) for prompt in batch.prompts]
        fitting = [row for row, budget in enumerate(budgets) if budget > 0]
        if not fitting:
            continue
        prompts = [batch.prompts[row] for row in fitting]
        budgets = [budgets[row] for row in fitting]
        places = [batch.places[row] for row in fitting]
        check_attention(model, offset + max(map(len, prompts)) - 1 + max(budgets))
        decoding = Decoding(
            model,
            tokenizer=batches.tokenizer,
            settings=settings,
            stops=batches.stops,
            cache=batches.cache,
            prefix=prefix,
            prompts=prompts,
            budgets=budgets,
            keys=sample_keys(settings.seed, map(batches.sample, places)),
            ends=ends,
        )
        for place, completion in zip(places, decoding.completions(), strict=True):
            completions[place] = completion
    return completions


def check_attention(model: PreTrainedModel, columns: int) -> None:
    """Raises UnsupportedModel unless every layer attends to all of a text of so many tokens."""
    config = model.config
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    window = getattr(config, "sliding_window", None)
    if kinds - {"full_attention", "sliding_attention"}:
        raise UnsupportedModel(f"layers other than attention: {', '.join(sorted(kinds))}")
    if window is not None and window < columns:
        raise UnsupportedModel(f"an attention window of {window} for texts of {columns} tokens")


def _prefix(model: PreTrainedModel, batches: Batches, context: int | None) -> SharedPrefix | None:
    """The computed prefix, unless there is none, no prompt fits, or the model cannot share it."""
    length = len(batches.prefix)
    if not length or (context is not None and length >= context):
        return None
    check_attention(model, length)
    return read_prefix(model, batches.prefix)


def _budget(prompt: int, settings: GenerationSettings, context: int | None) -> int:
    """How many tokens may follow a prompt; zero or less where it fills the context."""
    if context is None:
        return settings.max_new_tokens
    return min(settings.max_new_tokens, context - prompt)


def _end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """What ends a text according to the model's generation config or to the tokenizer."""
    ends: set[int] = set()
    config = model.generation_config
    for end in (config.eos_token_id if config is not None else None, tokenizer.eos_token_id):
        ends.update([end] if isinstance(end, int) else end or [])
    return frozenset(ends)
