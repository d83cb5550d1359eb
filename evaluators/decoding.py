"""One batch of prompts on one model: read them, then write a token of every row a step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from evaluators.errors import GenerationFailed
from evaluators.kv_cache import BatchCache
from evaluators.sampling import Keys, draw, uniforms
from evaluators.shared_prefix import SharedPrefix, sharing
from evaluators.stops import StopStrings
from evaluators.task import Completion, GenerationSettings

# Prompt tokens computed at once; more would fall out of a core's cache.
PREFILL_TOKENS = 640
# Finished rows are dropped once fewer than this share of the rows remain.
KEEP_SHARE = 0.8


class Decoding:
    """Prompts sorted by length, what follows the shared prefix of each, on one model."""

    def __init__(
        self,
        model: PreTrainedModel,
        *,
        tokenizer: PreTrainedTokenizerBase,
        settings: GenerationSettings,
        stops: StopStrings,
        cache: BatchCache,
        prefix: SharedPrefix | None,
        prompts: Sequence[tuple[int, ...]],
        budgets: Sequence[int],
        keys: Keys,
        ends: frozenset[int],
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.settings = settings
        self.stops = stops
        self.cache = cache
        self.prefix = prefix
        self.offset = 0 if prefix is None else prefix.length
        self.prompts = prompts
        self.keys = keys
        self.ends = ends
        # The last token of a prompt is left to the first step.
        self.width = max(map(len, prompts)) - 1
        self.steps = max(budgets)
        device = model.device
        self.budgets = torch.tensor(budgets, device=device)
        self.lengths = torch.tensor([len(p) - 1 for p in prompts], device=device)
        self.written = torch.zeros(len(prompts), self.steps, dtype=torch.long, device=device)
        # Rows of the result that are still written: their places there.
        self.slots = torch.arange(len(prompts), device=device)
        self.open = torch.ones(len(prompts), dtype=torch.bool, device=device)

    def completions(self) -> list[Completion]:
        """What follows each prompt.

        Raises GenerationFailed when the model yields NaN or infinity.
        """
        with sharing(self.model, self.prefix) as arguments:
            self.arguments = arguments
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
        # Samples of one item lie beside each other, and share the reading of its prompt.
        rows = range(len(self.prompts))
        firsts = [row for row in rows if not row or self.prompts[row] != self.prompts[row - 1]]
        counts = [b - a for a, b in zip(firsts, [*firsts[1:], len(rows)], strict=True)]
        first = 0
        while first < len(firsts):
            last = first + 1
            # Shortest first, so a group is as wide as its last row.
            while (
                last < len(firsts)
                and (last + 1 - first) * len(self.prompts[firsts[last]]) <= PREFILL_TOKENS
            ):
                last += 1
            self._read_group(firsts[first:last], counts[first:last])
            first = last

    def _read_group(self, rows: Sequence[int], counts: Sequence[int]) -> None:
        width = len(self.prompts[rows[-1]]) - 1
        if width == 0:
            return
        # What the padding holds is without effect: attention is causal and padding comes last.
        tokens = [
            [*self.prompts[row][:-1], *[0] * (width + 1 - len(self.prompts[row]))] for row in rows
        ]
        self.cache.fill(rows[0], counts)
        if self.prefix is not None:
            columns = torch.arange(self.offset, self.offset + width, device=self.model.device)
            self.arguments["position_ids"] = columns[None]
        self.model(
            input_ids=torch.tensor(tokens, device=self.model.device),
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
            **self.arguments,
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
            self.arguments["position_ids"] = (self.offset + self.lengths + step)[:, None]
            logits = self.model(
                input_ids=tokens,
                attention_mask=None if mask is None else mask[..., :columns],
                past_key_values=self.cache,
                use_cache=True,
                logits_to_keep=1,
                **self.arguments,
            ).logits[:, -1]
            tokens = self._choose(logits, step)
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

    def _choose(self, logits: torch.Tensor, step: int) -> torch.Tensor:
        best, tokens = logits.max(dim=-1, keepdim=True)
        if not bool(torch.isfinite(best).all()):
            raise GenerationFailed(f"the logits of token {step + 1} are not finite numbers")
        if self.settings.temperature == 0:
            return tokens
        numbers = uniforms(self.keys[self.slots.cpu().numpy()], step)
        return draw(logits, numbers, self.settings.temperature, self.settings.top_p)

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
