"""Which entries of a model matter most beside another's, as Arcee Fusion has it (Arcee AI, in
mergekit).

importance = |delta| * KL(softmax(parent) || softmax(base)), with softmax and divergence along the
last dimension, and an entry is important where that is at least median + 1.5 * (third quartile -
first) of its tensor.

Where little differs the divergence is next to rounding, and the choice of entries with it: it is
computed in single precision in mergekit's order, to choose the same. The quartiles are of all
entries; mergekit draws a million at random from larger tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from torch import Tensor

from merging.quantiles import (
    from_ordered_bits,
    joined,
    lower_counts,
    nth,
    ordered_bits,
    upper_counts,
)

# mergekit's addition to each probability.
TINY = 1e-8
# Entries whose importance is computed at a time.
_TILE = 1 << 18

Tiles = Callable[[], Iterator[npt.NDArray[np.float32]]]


def important(base: Tensor, parent: Tensor) -> npt.NDArray[np.bool_]:
    """Where the importance of `parent` over `base`, of one shape, reaches the threshold; flat.

    Memory is that of the answer and of a tile: the importance is computed three times over.
    """

    def tiles() -> Iterator[npt.NDArray[np.float32]]:
        return _importance(base, parent)

    last = parent.numel() - 1
    # Of a sorted tensor the entries at a quarter, half and three quarters, rounded down.
    first, median, third = _at_ranks(tiles, [1 + quarters * last // 4 for quarters in (1, 2, 3)])
    with np.errstate(over="ignore"):
        threshold = np.float32(median + 1.5 * (third - first))
    found = np.empty(parent.numel(), np.bool_)
    filled = 0
    for tile in tiles():
        np.greater_equal(tile, threshold, out=found[filled : filled + len(tile)])
        filled += len(tile)
    return found


def _importance(base: Tensor, parent: Tensor) -> Iterator[npt.NDArray[np.float32]]:
    """The importance of each entry, a tile of whole rows at a time, flat."""
    columns = parent.shape[-1] if parent.dim() else 1
    first, second = base.reshape(-1, columns), parent.reshape(-1, columns)
    at_once = max(1, _TILE // columns)
    for start in range(0, len(first), at_once):
        part = slice(start, start + at_once)
        old, new = first[part].float(), second[part].float()
        before, after = old.softmax(dim=-1) + TINY, new.softmax(dim=-1) + TINY
        divergence = (after * (after / before).log()).sum(dim=-1, keepdim=True)
        yield ((new - old).abs() * divergence).reshape(-1).cpu().numpy()


def _at_ranks(tiles: Tiles, ranks: list[int]) -> list[float]:
    """The numbers of these ranks (from 1, the smallest), in two passes over the tiles."""
    uppers = upper_counts(ordered_bits(tile) for tile in tiles())
    found = [nth(uppers, rank) for rank in ranks]
    lowers = {upper: lower_counts([], upper) for upper, _ in found}
    for tile in tiles():
        bits = ordered_bits(tile)
        for upper in lowers:
            lowers[upper] += lower_counts([bits], upper)
    return [from_ordered_bits(joined(upper, nth(lowers[upper], rank)[0])) for upper, rank in found]
