"""How likely a model finds given texts, each after its own context.

Contexts and continuations are tokenised once a task (`prepare_pairs`), together, so that a word is
cut as it would be in running text; then every candidate runs through the same groups. What all
contexts start with is computed once a candidate, and logits only where a continuation is read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

from evaluators.batches import Limits, prompt_tokens
from evaluators.chat import Chat
from evaluators.decoding import PREFILL_TOKENS
from evaluators.errors import GenerationFailed
from evaluators.generation import check_attention
from evaluators.shared_prefix import SharedPrefix, common_prefix, read_prefix, sharing
from evaluators.task import Likelihood

# Logits (tokens x vocabulary) computed at once: 256 MB in float32.
_LOGITS = 1 << 26


@dataclass(frozen=True)
class Pairs:
    """Texts of tokens, and how many of each one's last tokens are the continuation.

    `prefix` is how many tokens all texts start with; 0 where sharing them does not pay.
    """

    texts: tuple[tuple[int, ...], ...]
    counts: tuple[int, ...]
    prefix: int

    def part(self, places: Sequence[int]) -> Pairs:
        """The texts at these places, as if there were no others."""
        return _pairs([(self.texts[place], self.counts[place]) for place in places])


def prepare_pairs(
    pairs: Sequence[tuple[str, str]],
    tokenizer: PreTrainedTokenizerBase,
    *,
    chat: Chat | None = None,
) -> Pairs:
    """Tokenise pairs of a context and its continuation.

    Blanks at a context's end belong to the continuation, as in lm-eval. A context is a user's turn
    where `chat` is given. Raises GenerationFailed when a context is empty, and the tokenizer has no
    token to start from.
    """
    return _pairs([_tokens(context, text, tokenizer, chat) for context, text in pairs])


@torch.inference_mode()
def log_likelihoods(model: PreTrainedModel, pairs: Pairs) -> list[Likelihood | None]:
    """The likelihood of every continuation; None where a text is longer than the model's context.

    Raises GenerationFailed when the model yields NaN, UnsupportedModel when a layer's attention
    window is shorter than a text.
    """
    if model.training:
        model.eval()  # type: ignore[no-untyped-call]
    context = getattr(model.config, "max_position_embeddings", None) or math.inf
    # The last token is predicted and not read.
    fitting = [place for place, text in enumerate(pairs.texts) if len(text) - 1 <= context]
    found: list[Likelihood | None] = [None] * len(pairs.texts)
    if not fitting:
        return found
    check_attention(model, max(len(pairs.texts[place]) - 1 for place in fitting))
    prefix = read_prefix(model, pairs.texts[0][: pairs.prefix]) if pairs.prefix else None
    offset = 0 if prefix is None else prefix.length
    for places in _groups(pairs, fitting, offset, int(model.config.vocab_size)):
        rows = [pairs.texts[place][offset:] for place in places]
        counts = [pairs.counts[place] for place in places]
        for place, one in zip(places, _read(model, prefix, rows, counts), strict=True):
            found[place] = one
    return found


def _tokens(
    context: str, text: str, tokenizer: PreTrainedTokenizerBase, chat: Chat | None
) -> tuple[tuple[int, ...], int]:
    if chat is not None:
        before = chat.prompt_tokens(context, tokenizer)
    elif context.strip():
        bare = context.rstrip()
        text, context = context[len(bare) :] + text, bare
        before = prompt_tokens(context, tokenizer)
        whole = tuple(tokenizer(context + text)["input_ids"])
        return whole, max(1, len(whole) - len(before))
    else:
        before, text = prompt_tokens("", tokenizer), context + text
    after = tuple(tokenizer(text, add_special_tokens=False)["input_ids"])
    return before + after, len(after)


def _pairs(tokens: Sequence[tuple[tuple[int, ...], int]]) -> Pairs:
    texts = tuple(text for text, _ in tokens)
    counts = tuple(count for _, count in tokens)
    # The token before a continuation is read in its own row: it predicts the first one.
    longest = min((len(text) - count - 1 for text, count in tokens), default=0)
    shared = min(common_prefix(texts), longest) if len(texts) > 1 else 0
    return Pairs(texts, counts, shared if shared >= Limits().prefix else 0)


def _groups(pairs: Pairs, places: Sequence[int], offset: int, vocabulary: int) -> list[list[int]]:
    """Texts of similar length together, so that little of a group is padding."""
    groups: list[list[int]] = []
    most = 0
    for place in sorted(places, key=lambda place: (len(pairs.texts[place]), place)):
        width = len(pairs.texts[place]) - offset
        # Padding is on the right: a short row's continuation begins furthest from the end.
        first = pairs.texts[groups[-1][0]] if groups else ()
        kept = max(most, pairs.counts[place]) + width + offset - len(first)
        rows = len(groups[-1]) + 1 if groups else 0
        if not groups or rows * width > PREFILL_TOKENS or rows * kept * vocabulary > _LOGITS:
            groups.append([])
            most = 0
        groups[-1].append(place)
        most = max(most, pairs.counts[place])
    return groups


def _read(
    model: PreTrainedModel,
    prefix: SharedPrefix | None,
    rows: Sequence[tuple[int, ...]],
    counts: Sequence[int],
) -> list[Likelihood]:
    width = max(map(len, rows)) - 1
    # Attention is causal and padding comes last: what it holds is without effect.
    tokens = torch.tensor(
        [[*row[:-1], *[0] * (width + 1 - len(row))] for row in rows], device=model.device
    )
    starts = [len(row) - 1 - count for row, count in zip(rows, counts, strict=True)]
    kept = width - min(starts)
    with sharing(model, prefix) as arguments:
        if prefix is not None:
            columns = torch.arange(prefix.length, prefix.length + width, device=model.device)
            arguments["position_ids"] = columns[None]
        logits = model(
            input_ids=tokens,
            past_key_values=DynamicCache(),
            use_cache=True,
            logits_to_keep=kept,
            **arguments,
        ).logits.float()
    found = []
    for row, count, start, scores in zip(rows, counts, starts, logits, strict=True):
        first = start - (width - kept)
        part = scores[first : first + count]
        targets = torch.tensor(row[-count:], device=model.device)
        value = float((part.gather(1, targets[:, None])[:, 0] - part.logsumexp(1)).double().sum())
        if not math.isfinite(value):
            raise GenerationFailed("the log-likelihood of a text is not a finite number")
        found.append(Likelihood(value, bool((part.argmax(1) == targets).all())))
    return found
