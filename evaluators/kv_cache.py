"""A key-value cache that is allocated once and written in place.

transformers' growing cache copies itself at every step, and a fresh one costs page faults: for a
small model both outweigh the arithmetic. Here a batch of right-padded prompts occupies columns
0..width-1 of its rows; generated tokens follow from column `width` on, for all rows alike. A prefix
that all prompts of a task share is not in here, but kept once (shared_prefix.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers.cache_utils import Cache, CacheLayerMixin


class BatchCache(Cache):
    """`start` a batch, `fill` its prompts a group of rows at a time, `advance` a column a step."""

    def __init__(self) -> None:
        self.blocks: list[_Layer] = []
        super().__init__(layers=[])

    def start(self, layers: int, rows: int, width: int, columns: int) -> None:
        """Make room for `rows` prompts of up to `width` tokens, and for `columns` in all."""
        while len(self.blocks) < layers:
            self.blocks.append(_Layer())
        self.layers = list(self.blocks[:layers])
        for block in self.blocks[:layers]:
            block.start(rows, width, columns)

    def fill(self, first: int, counts: Sequence[int]) -> None:
        """The next forward pass computes whole prompts, of the rows from `first` on.

        `counts` says how many neighbouring rows have each of them.
        """
        repeats = None if max(counts) == 1 else torch.tensor(counts)
        for block in self.blocks:
            block.first, block.repeats = first, repeats

    def advance(self) -> None:
        """The next forward pass computes one more token of every row."""
        for block in self.blocks:
            block.first = None
            block.end += 1

    def keep(self, rows: torch.Tensor) -> None:
        """Drop every row but these (ascending indices)."""
        for block in self.blocks[: len(self.layers)]:
            block.keep(rows)


class _Layer(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """Keys and values of one layer, views of shape (rows, heads, columns, head size).

    In memory a row's heads lie beside each other within a column: the unused columns then leave
    one gap a row instead of one a head, and reading streams better.
    """

    is_sliding = False
    keys: torch.Tensor
    values: torch.Tensor

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.memory = (torch.empty(0), torch.empty(0))
        self.rows = self.width = self.columns = self.end = 0
        self.first: int | None = None
        self.repeats: torch.Tensor | None = None

    def start(self, rows: int, width: int, columns: int) -> None:
        self.rows, self.width, self.columns, self.end = rows, width, columns, width
        self.is_initialized = False

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        self.memory = (
            self._room(self.memory[0], key_states),
            self._room(self.memory[1], value_states),
        )
        self.keys = self._view(self.memory[0], key_states)
        self.values = self._view(self.memory[1], value_states)
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: object, **__: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        if self.first is not None:
            self._fill(self.keys, key_states, self.first)
            self._fill(self.values, value_states, self.first)
            return key_states, value_states
        self.keys[:, :, self.end - 1 : self.end] = key_states
        self.values[:, :, self.end - 1 : self.end] = value_states
        return self.keys[:, :, : self.end], self.values[:, :, : self.end]

    def keep(self, rows: torch.Tensor) -> None:
        self.rows = len(rows)
        for states in (self.keys, self.values):
            kept = states[:, :, : self.end].index_select(0, rows)
            states[: self.rows, :, : self.end] = kept
        self.keys, self.values = self.keys[: self.rows], self.values[: self.rows]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return (query_length if self.first is not None else self.end), 0

    def get_seq_length(self) -> int:
        return 0 if self.first is not None else self.end - 1

    def get_max_length(self) -> int:
        return self.columns

    def _size(self, states: torch.Tensor) -> int:
        return self.rows * states.shape[1] * self.columns * states.shape[3]

    def _room(self, memory: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        same_kind = (memory.dtype, memory.device) == (states.dtype, states.device)
        if same_kind and memory.numel() >= self._size(states):
            return memory
        return states.new_empty(self._size(states))

    def _view(self, memory: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        shape = (self.rows, self.columns, states.shape[1], states.shape[3])
        view = memory[: self._size(states)].view(shape).transpose(1, 2)
        # A prompt of one token leaves its columns unwritten; see `_fill`.
        view[:, :, : self.width] = 0
        return view

    def _fill(self, into: torch.Tensor, states: torch.Tensor, first: int) -> None:
        if self.repeats is not None:
            states = states.repeat_interleave(self.repeats.to(states.device), dim=0)
        rows, _, width, _ = states.shape
        into[first : first + rows, :, :width] = states
        # Masked columns have weight zero, and zero times a stale NaN would still be NaN.
        into[first : first + rows, :, width : self.width] = 0
