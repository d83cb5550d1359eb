"""Batched greedy generation, as fast as a small model allows.

The loop calls the model's own forward pass and nothing else: transformers' `generate` spends more
on a small model than the model does. Prompts are tokenised and batched once a task (`prepare`), as
a function of the task and the tokenizer alone; then every candidate runs through the same batches
(`generate`). A batch is right-padded, its prompts computed up to their last token in groups of
nearly equal length, without a mask; then all rows advance together, one token a step.

Decoding is plain: argmax, with no penalties or other processors of a generation config.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from evaluators.errors import GenerationFailed, UnsupportedModel
from evaluators.kv_cache import BatchCache
from evaluators.stops import StopStrings
from evaluators.task import Completion, GenerationSettings, Item

# Rows of a batch, for more would push a small model's keys and values out of the processor's cache;
# and tokens (prompt and answer) of all its rows, which bounds a large model's memory.
MAX_ROWS = 128
MAX_CELLS = 24576
# Prompt tokens computed at once; more would fall out of a core's cache.
PREFILL_TOKENS = 640
# Finished rows are dropped once fewer than this share of the rows remain.
KEEP_SHARE = 0.8


@dataclass(frozen=True)
class Batch:
    """Prompts of similar length: their places in the task and their tokens, shortest first."""

    places: tuple[int, ...]
    prompts: tuple[tuple[int, ...], ...]


@dataclass
class Batches:
    """A task's prompts, ready for any model that uses this tokenizer; not shared by threads."""

    batches: tuple[Batch, ...]
    count: int
    settings: GenerationSettings
    tokenizer: PreTrainedTokenizerBase
    stops: StopStrings
    cache: BatchCache = field(default_factory=BatchCache)


def prepare(
    items: Sequence[Item],
    tokenizer: PreTrainedTokenizerBase,
    settings: GenerationSettings,
    *,
    max_rows: int = MAX_ROWS,
    max_cells: int = MAX_CELLS,
) -> Batches:
    """Tokenise and batch prompts, with the special tokens that the tokenizer puts around a text."""
    prompts = [_tokens(item.prompt, tokenizer) for item in items]
    return Batches(
        batches=_batched(prompts, settings, max_rows, max_cells),
        count=len(prompts),
        settings=settings,
        tokenizer=tokenizer,
        stops=StopStrings(settings.stop, tokenizer),
    )


def part(batches: Batches, places: Sequence[int]) -> Batches:
    """The prompts of these places in this order, batched as if there were no others.

    The memory of keys and values is shared with the whole: one of both runs at a time.
    """
    tokens: dict[int, tuple[int, ...]] = {}
    for batch in batches.batches:
        tokens |= zip(batch.places, batch.prompts, strict=True)
    prompts = [tokens[place] for place in places]
    chosen = _batched(prompts, batches.settings, MAX_ROWS, MAX_CELLS)
    return replace(batches, batches=chosen, count=len(prompts))


def _batched(
    prompts: Sequence[tuple[int, ...]], settings: GenerationSettings, max_rows: int, max_cells: int
) -> tuple[Batch, ...]:
    batches: list[list[int]] = [[]]
    for place in sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), i)):
        columns = len(prompts[place]) + settings.max_new_tokens
        rows = len(batches[-1])
        if rows and (rows == max_rows or (rows + 1) * columns > max_cells):
            batches.append([])
        batches[-1].append(place)
    return tuple(
        Batch(tuple(places), tuple(prompts[place] for place in places))
        for places in batches
        if places
    )


@torch.inference_mode()
def generate(model: PreTrainedModel, batches: Batches) -> list[Completion]:
    """The greedy completion of every prompt, in the order of the items.

    A completion ends where the model's context does, and counts as truncated; a prompt that fills
    the context by itself gets an empty one.

    Raises GenerationFailed when the model yields NaN or infinity, UnsupportedModel when a layer's
    attention window is shorter than the text.
    """
    if model.training:
        model.eval()  # type: ignore[no-untyped-call]
    context = getattr(model.config, "max_position_embeddings", None)
    ends = _end_tokens(model, batches.tokenizer)
    completions = [Completion("", truncated=True, tokens=0)] * batches.count
    for batch in batches.batches:
        budgets = [_budget(len(prompt), batches.settings, context) for prompt in batch.prompts]
        fitting = [row for row, budget in enumerate(budgets) if budget > 0]
        if not fitting:
            continue
        run = _Run(
            model,
            batches,
            [batch.prompts[row] for row in fitting],
            [budgets[row] for row in fitting],
            ends,
        )
        for row, completion in zip(fitting, run.completions(), strict=True):
            completions[batch.places[row]] = completion
    return completions


class _Run:
    """One batch on one model."""

    def __init__(
        self,
        model: PreTrainedModel,
        batches: Batches,
        prompts: list[tuple[int, ...]],
        budgets: list[int],
        ends: frozenset[int],
    ) -> None:
        self.model = model
        self.tokenizer = batches.tokenizer
        self.stops = batches.stops
        self.cache = batches.cache
        self.prompts = prompts
        self.ends = ends
        # The last token of a prompt is left to the first step.
        self.width = max(map(len, prompts)) - 1
        self.steps = max(budgets)
        _check_attention(model, self.width + self.steps)
        device = model.device
        self.budgets = torch.tensor(budgets, device=device)
        self.lengths = torch.tensor([len(p) - 1 for p in prompts], device=device)
        self.written = torch.zeros(len(prompts), self.steps, dtype=torch.long, device=device)
        # Rows of the result that are still written: their places there.
        self.slots = torch.arange(len(prompts), device=device)
        self.open = torch.ones(len(prompts), dtype=torch.bool, device=device)

    def completions(self) -> list[Completion]:
        self._read_prompts()
        ended = self._write()
        written = self.written.tolist()
        texts = self.tokenizer.batch_decode(
            [
                [token for token in written[row][:tokens] if token not in self.ends]
                for row, (tokens, _) in enumerate(ended)
            ],
            skip_special_tokens=True,
        )
        return [
            Completion(self.stops.cut(text), truncated, tokens)
            for text, (tokens, truncated) in zip(texts, ended, strict=True)
        ]

    def _read_prompts(self) -> None:
        """Fill the cache with every prompt but its last token."""
        self.cache.start(
            self.model.config.num_hidden_layers,
            len(self.prompts),
            self.width,
            self.width + self.steps,
        )
        first = 0
        while first < len(self.prompts):
            last = first + 1
            # Shortest first, so a group is as wide as its last row.
            while (
                last < len(self.prompts)
                and (last + 1 - first) * len(self.prompts[last]) <= PREFILL_TOKENS
            ):
                last += 1
            self._read_group(first, last)
            first = last

    def _read_group(self, first: int, last: int) -> None:
        width = len(self.prompts[last - 1]) - 1
        if width == 0:
            return
        # What the padding holds is without effect: attention is causal and padding comes last.
        rows = [list(p[:-1]) + [0] * (width + 1 - len(p)) for p in self.prompts[first:last]]
        self.cache.fill(first)
        self.model(
            input_ids=torch.tensor(rows, device=self.model.device),
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )

    def _write(self) -> list[tuple[int, bool]]:
        """Decode; for each row the number of its tokens and whether it was cut short."""
        results = [(0, True)] * len(self.prompts)
        tokens = torch.tensor([p[-1:] for p in self.prompts], device=self.model.device)
        mask = self._mask()
        events: torch.Tensor | None = None
        for step in range(self.steps):
            self.cache.advance()
            columns = self.width + step + 1
            logits = self.model(
                input_ids=tokens,
                position_ids=(self.lengths + step)[:, None],
                attention_mask=None if mask is None else mask[..., :columns],
                past_key_values=self.cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[:, -1]
            best, tokens = logits.max(dim=-1, keepdim=True)
            if not bool(torch.isfinite(best).all()):
                raise GenerationFailed(f"the logits of token {step + 1} are not finite numbers")
            if events is None:
                events = self._events(logits.shape[-1])
            self.written[self.slots, step] = tokens[:, 0]
            happened = self.open & (events[tokens[:, 0]] | (self.budgets <= step + 1))
            if not bool(happened.any()):
                continue
            for row in happened.nonzero()[:, 0].tolist():
                slot = int(self.slots[row])
                result = self._result(slot, step + 1, out=int(self.budgets[row]) <= step + 1)
                if result is not None:
                    results[slot] = result
                    self.open[row] = False
            remaining = int(self.open.sum())
            if remaining == 0:
                break
            if remaining <= KEEP_SHARE * len(self.open):
                rows = self.open.nonzero()[:, 0]
                self._keep(rows)
                tokens = tokens[rows]
                mask = None if mask is None else mask[rows]
        return results

    def _result(self, slot: int, count: int, *, out: bool) -> tuple[int, bool] | None:
        """How a row ends with its newest token, if it does."""
        tokens = self.written[slot, :count].tolist()
        if tokens[-1] in self.ends or self.stops.reached(tokens):
            return count, False
        return (count, True) if out else None

    def _keep(self, rows: torch.Tensor) -> None:
        self.cache.keep(rows)
        self.slots = self.slots[rows]
        self.lengths = self.lengths[rows]
        self.budgets = self.budgets[rows]
        self.open = self.open[rows]

    def _mask(self) -> torch.Tensor | None:
        """Additive, (rows, 1, 1, columns): hides the padding between a prompt and its answer."""
        if bool((self.lengths == self.width).all()):
            return None
        columns = torch.arange(self.width + self.steps, device=self.lengths.device)
        padding = (columns >= self.lengths[:, None]) & (columns < self.width)
        dtype = self.model.dtype
        mask = torch.zeros(padding.shape, dtype=dtype, device=padding.device)
        return mask.masked_fill_(padding, torch.finfo(dtype).min)[:, None, None, :]

    def _events(self, vocabulary: int) -> torch.Tensor:
        """For each token id whether a row may end with it."""
        events = torch.zeros(vocabulary, dtype=torch.bool)
        completing = self.stops.completing[:vocabulary]
        events[: len(completing)] = completing
        events[[token for token in self.ends if token < vocabulary]] = True
        return events.to(self.lengths.device)


def _budget(prompt: int, settings: GenerationSettings, context: int | None) -> int:
    """How many tokens may follow a prompt; zero or less where it fills the context."""
    if context is None:
        return settings.max_new_tokens
    return min(settings.max_new_tokens, context - prompt)


def _tokens(prompt: str, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    tokens = tuple(tokenizer(prompt)["input_ids"])
    if tokens:
        return tokens
    for start in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        if isinstance(start, int):
            return (start,)
    raise GenerationFailed("an empty prompt has no token to start from in this tokenizer")


def _end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """What ends a text according to the model's generation config or to the tokenizer."""
    ends: set[int] = set()
    config = model.generation_config
    for end in (config.eos_token_id if config is not None else None, tokenizer.eos_token_id):
        ends.update([end] if isinstance(end, int) else end or [])
    return frozenset(ends)


def _check_attention(model: PreTrainedModel, columns: int) -> None:
    config = model.config
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    window = getattr(config, "sliding_window", None)
    if kinds - {"full_attention", "sliding_attention"}:
        raise UnsupportedModel(f"layers other than attention: {', '.join(sorted(kinds))}")
    if window is not None and window < columns:
        raise UnsupportedModel(f"an attention window of {window} for texts of {columns} tokens")
