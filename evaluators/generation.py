"""Batched generation, as fast as a small model allows.

The loop calls the model's own forward pass and nothing else: transformers' `generate` spends more
on a small model than the model does. Prompts are tokenised and batched once a task (`prepare`), as
a function of the task and the tokenizer alone; then every candidate runs through the same batches
(`generate`). What all prompts start with, such as few-shot examples, is computed once a candidate
(shared_prefix.py). A batch is right-padded, its prompts computed up to their last token in groups
of nearly equal length, without a mask; then all rows advance together, one token a step
(decoding.py).

Decoding is plain: argmax, or a draw at a temperature (sampling.py), with no penalties or other
processors of a generation config.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from evaluators.chat import Chat
from evaluators.decoding import Decoding
from evaluators.errors import GenerationFailed, UnsupportedModel
from evaluators.kv_cache import BatchCache
from evaluators.sampling import sample_keys
from evaluators.shared_prefix import SharedPrefix, common_prefix, read_prefix
from evaluators.stops import StopStrings
from evaluators.task import Completion, GenerationSettings, Item

# Rows of a batch, for more would push a small model's keys and values out of the processor's cache;
# and tokens (prompt and answer) of all its rows, which bounds a large model's memory. A shared
# prefix counts once.
MAX_ROWS = 128
MAX_CELLS = 24576
# Attending to a shorter prefix apart costs more than computing it in every row.
MIN_PREFIX = 32


@dataclass(frozen=True)
class Batch:
    """Prompts of similar length: their places in the result and their tokens, shortest first."""

    places: tuple[int, ...]
    prompts: tuple[tuple[int, ...], ...]


@dataclass
class Batches:
    """A task's prompts, ready for any model that uses this tokenizer; not shared by threads.

    `prefix` is what all prompts start with, and `batches` hold what follows it; `whole` are the
    batches of a model that cannot share the prefix, and the same ones where there is none.
    """

    prefix: tuple[int, ...]
    batches: tuple[Batch, ...]
    whole: tuple[Batch, ...]
    count: int
    settings: GenerationSettings
    tokenizer: PreTrainedTokenizerBase
    stops: StopStrings
    end_tokens: frozenset[int] = frozenset()
    cache: BatchCache = field(default_factory=BatchCache)


def prepare(
    items: Sequence[Item],
    tokenizer: PreTrainedTokenizerBase,
    settings: GenerationSettings,
    *,
    chat: Chat | None = None,
    max_rows: int = MAX_ROWS,
    max_cells: int = MAX_CELLS,
    min_prefix: int = MIN_PREFIX,
) -> Batches:
    """Tokenise and batch prompts, with the special tokens that the tokenizer puts around a text,
    or as turns of a chat, whose end tokens then end a completion beside the model's own.

    A prefix that all of several prompts share is set apart if it has `min_prefix` tokens.
    """
    prompts = [
        chat.prompt_tokens(item.prompt, tokenizer)
        if chat
        else prompt_tokens(item.prompt, tokenizer)
        for item in items
    ]
    shared = common_prefix(prompts) if len(prompts) > 1 else 0
    shared = shared if shared >= min_prefix else 0
    rests = [prompt[shared:] for prompt in prompts]
    whole = _batches(prompts, settings, max_rows, max_cells)
    return Batches(
        prefix=prompts[0][:shared] if prompts else (),
        batches=_batches(rests, settings, max_rows, max_cells - shared) if shared else whole,
        whole=whole,
        count=len(prompts) * settings.samples,
        settings=settings,
        tokenizer=tokenizer,
        stops=StopStrings(settings.stop, tokenizer),
        end_tokens=chat.end_tokens(tokenizer) if chat else frozenset(),
    )


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
            keys=sample_keys(settings.seed, (divmod(place, settings.samples) for place in places)),
            ends=ends,
        )
        for place, completion in zip(places, decoding.completions(), strict=True):
            completions[place] = completion
    return completions


def prompt_tokens(prompt: str, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """A prompt's tokens; of an empty one the token that texts start with.

    Raises GenerationFailed when the tokenizer has no such token.
    """
    tokens = tuple(tokenizer(prompt)["input_ids"])
    if tokens:
        return tokens
    for start in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        if isinstance(start, int):
            return (start,)
    raise GenerationFailed("an empty prompt has no token to start from in this tokenizer")


def check_attention(model: PreTrainedModel, columns: int) -> None:
    """Raises UnsupportedModel unless every layer attends to all of a text of so many tokens."""
    config = model.config
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    window = getattr(config, "sliding_window", None)
    if kinds - {"full_attention", "sliding_attention"}:
        raise UnsupportedModel(f"layers other than attention: {', '.join(sorted(kinds))}")
    if window is not None and window < columns:
        raise UnsupportedModel(f"an attention window of {window} for texts of {columns} tokens")


def _batches(
    prompts: Sequence[tuple[int, ...]],
    settings: GenerationSettings,
    max_rows: int,
    max_cells: int,
) -> tuple[Batch, ...]:
    batches: list[list[int]] = [[]]
    for place in sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), i)):
        columns = len(prompts[place]) + settings.max_new_tokens
        for sample in range(settings.samples):
            rows = len(batches[-1])
            if rows and (rows == max_rows or (rows + 1) * columns > max_cells):
                batches.append([])
            batches[-1].append(place * settings.samples + sample)
    return tuple(
        Batch(tuple(places), tuple(prompts[place // settings.samples] for place in places))
        for places in batches
        if places
    )


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
