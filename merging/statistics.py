"""What is computed once from parents and serves every candidate: orders, norms, inner products.

Sorting a tensor takes a hundred times as long as merging it, and the order of a delta's entries is
the same for every density and weight. So it is kept: small tensors' in memory, large ones' in
files that processes map and share.
"""

from __future__ import annotations

import hashlib
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from merging.importance import important
from merging.quantiles import HALF, from_bits, joined, lower_counts, nth, upper_counts

_VERSION = 2
# Tensors up to this size are kept in memory.
_SMALL = 1 << 16
# Entries that are sorted at a time, at least; and entries a stored sum of magnitudes stands for.
_SORTED_AT_ONCE = 1 << 22
_STEP = 1 << 10
_TILE = 1 << 20

Array = npt.NDArray[np.generic]
Statistic = TypeVar("Statistic")


@dataclass(frozen=True)
class Source:
    """A tensor, and what it is called in the keys of statistics: of its model's content, and its
    name."""

    key: str
    tensor: Tensor


class Statistics:
    """Statistics by the keys of the tensors that they are of.

    With a `folder`, large ones are kept there for other processes and later runs; else in unnamed
    files of this object's own.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._kept: dict[str, object] = {}
        self._folder = folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def gram(self, sources: Sequence[Source], base: Source | None = None) -> list[list[float]]:
        """Inner products of the tensors, or of their differences to `base`, in float64."""
        key = _key("gram", base, *sources)
        return self._once(key, lambda: gram(sources, base))

    def l1(self, base: Source, parent: Source) -> float:
        """The sum of magnitudes of parent - base."""
        return self._once(
            _key("l1", base, parent),
            lambda: float(sum(tile.sum(dtype=np.float64) for tile in _magnitudes(base, parent))),
        )

    def magnitude(self, pairs: Sequence[tuple[Source, Source]], rank: int) -> float:
        """The rank-th smallest magnitude (from 1) among all entries of parent - base of the
        (base, parent) pairs, exact."""
        uppers = [self._once(_key("uppers", *pair), partial(_uppers, *pair)) for pair in pairs]
        upper, rank = nth(np.sum(uppers, axis=0), max(rank, 1))
        inside = [pair for pair, counts in zip(pairs, uppers, strict=True) if counts[upper]]
        tiles = (_bits(tile) for pair in inside for tile in _magnitudes(*pair))
        lower, _ = nth(lower_counts(tiles, upper), rank)
        return from_bits(joined(upper, lower))

    def ranking(self, base: Source, parent: Source) -> TensorRanking:
        """parent - base in descending order of magnitude."""
        key = _key("ranking", base, parent)
        return self._once(
            key,
            lambda: TensorRanking(
                base, parent, self._array(key, parent.tensor.numel(), lambda: order(base, parent))
            ),
        )

    def row_ranks(self, base: Source, parent: Source) -> Tensor:
        """The place of each entry of parent - base in its row by magnitude, from 0.

        Flat, and of as few bytes an entry as ranks in its rows take.
        """
        key = _key("row_ranks", base, parent)
        return self._once(
            key,
            lambda: torch.from_numpy(
                self._array(key, parent.tensor.numel(), lambda: row_ranks(base, parent))
            ),
        )

    def important(self, base: Source, parent: Source) -> Tensor:
        """Whether each entry of parent is important beside base (`merging.importance`); flat."""
        key = _key("important", base, parent)

        def compute() -> Array:
            return important(base.tensor, parent.tensor)

        return self._once(
            key, lambda: torch.from_numpy(self._array(key, parent.tensor.numel(), compute))
        )

    def variance_ranks(self, sources: Sequence[Source]) -> tuple[Tensor, int]:
        """The place of each entry by its variance over the tensors, from 0 for the largest, flat;
        and how many entries vary."""
        key = _key("variance_ranks", *sources)
        count = sources[0].tensor.numel()
        ranks = self._once(
            key,
            lambda: torch.from_numpy(self._array(key, count, lambda: variance_ranks(sources))),
        )
        varying = self._once(
            _key("varying", *sources),
            lambda: sum(int(np.count_nonzero(tile)) for tile in _variances(sources)),
        )
        return ranks, varying

    def svd(self, base: Source, parent: Source) -> tuple[Tensor, Tensor, Tensor]:
        """The thin singular value decomposition U diag(S) V^T of a matrix parent - base."""
        key = _key("svd", base, parent)
        rows, columns = parent.tensor.shape
        rank = min(rows, columns)
        sizes = [rows * rank, rank, columns * rank]
        flat = self._once(
            key, lambda: torch.from_numpy(self._array(key, sum(sizes), lambda: svd(base, parent)))
        )
        left, values, right = torch.split(flat, sizes)
        return left.reshape(rows, rank), values, right.reshape(columns, rank)

    def _once(self, key: str, compute: Callable[[], Statistic]) -> Statistic:
        if key not in self._kept:
            self._kept[key] = compute()
        return self._kept[key]  # type: ignore[return-value]

    def _array(self, key: str, count: int, compute: Callable[[], Array]) -> Array:
        """An array kept in memory if small, else in a file mapped privately."""
        if count <= _SMALL:
            return compute()
        if self._folder is None:
            with tempfile.NamedTemporaryFile(suffix=".npy") as file:
                np.save(file, compute())
                file.flush()
                # The mapping outlives the name.
                return _mapped(Path(file.name))
        path = self._folder / f"{key}.npy"
        if not path.exists():
            draft = path.with_name(f".{uuid.uuid4().hex}.npy")
            try:
                np.save(draft, compute())
                draft.replace(path)
            finally:
                draft.unlink(missing_ok=True)
        return _mapped(path)


class TensorRanking:
    """`merging.method.Ranking` of one delta; `order` holds flat places."""

    def __init__(self, base: Source, parent: Source, order: Array) -> None:
        self._base, self._parent = base.tensor.reshape(-1), parent.tensor.reshape(-1)
        self._order = order
        self._sums: npt.NDArray[np.float64] | None = None

    def cut(self, count: int) -> tuple[float, int]:
        """Magnitude and flat place of the last of the first `count` entries."""
        place = int(self._order[count - 1])
        return float(self._at(self._order[count - 1 : count])[0]), place

    def l1(self, count: int) -> float:
        """The sum of magnitudes of the first `count` entries."""
        if self._sums is None:
            steps = range(0, len(self._order), _STEP)
            parts = [float(self._at(self._order[at : at + _STEP]).sum()) for at in steps]
            self._sums = np.concatenate([[0.0], np.cumsum(parts)])
        whole = count // _STEP
        rest = self._at(self._order[whole * _STEP : count])
        return float(self._sums[whole] + rest.sum())

    def _at(self, places: Array) -> npt.NDArray[np.float64]:
        index = torch.from_numpy(places.astype(np.int64))
        delta = self._parent[index].float() - self._base[index].float()
        return delta.abs().double().numpy()


def gram(sources: Sequence[Source], base: Source | None) -> list[list[float]]:
    """Inner products, summed tile by tile in float64."""
    flat = [source.tensor.reshape(-1) for source in sources]
    start = None if base is None else base.tensor.reshape(-1)
    total = torch.zeros(len(flat), len(flat), dtype=torch.float64)
    for at in range(0, flat[0].numel(), _TILE):
        rows = torch.stack([tensor[at : at + _TILE].double() for tensor in flat])
        if start is not None:
            rows -= start[at : at + _TILE].double()
        total += (rows @ rows.T).cpu()
    products: list[list[float]] = total.tolist()
    return products


def order(base: Source, parent: Source) -> Array:
    """Flat places of parent - base, the largest magnitude first, of equals the lowest place."""
    return _descending(lambda: _magnitudes(base, parent), parent.tensor.numel())


def variance_ranks(sources: Sequence[Source]) -> Array:
    """See `Statistics.variance_ranks`; int32."""
    count = sources[0].tensor.numel()
    ranks = np.empty(count, np.int32)
    ranks[_descending(lambda: _variances(sources), count)] = np.arange(count, dtype=np.int32)
    return ranks


def _descending(tiles: Callable[[], Iterator[npt.NDArray[np.float32]]], count: int) -> Array:
    """Places of `count` numbers from 0, the largest first, of equals the lowest place.

    `tiles` gives them anew at every call. They are sorted by ranges, so that no more memory is
    used than for a few million entries or an eighth of the tensor.
    """
    found = np.empty(count, np.uint32)
    filled = 0
    at_once = max(_SORTED_AT_ONCE, count // 8)
    for low, high in _ranges(_upper_counts(tiles()), at_once):
        parts = []
        for number, tile in enumerate(tiles()):
            bits = _bits(tile)
            places = np.flatnonzero((bits >= low) & (bits < high))
            # One number to sort by: the magnitude, descending, then the place.
            falling = (np.uint64(0xFFFFFFFF) - bits[places].astype(np.uint64)) << np.uint64(32)
            parts.append(falling | (places + number * _TILE).astype(np.uint64))
        keys = np.concatenate(parts)
        if high - low > 1:
            keys.sort()
        found[filled : filled + len(keys)] = keys & np.uint64(0xFFFFFFFF)
        filled += len(keys)
    return found


def row_ranks(base: Source, parent: Source) -> Array:
    """See `Statistics.row_ranks`."""
    shape = parent.tensor.shape
    columns = shape[-1] if len(shape) else 1
    rows_base, rows = base.tensor.reshape(-1, columns), parent.tensor.reshape(-1, columns)
    ranks = np.arange(columns, dtype=np.uint16 if columns <= 1 << 16 else np.int32)[None, :]
    found = np.empty(rows.shape, ranks.dtype)
    at_once = max(1, _TILE // columns)
    for start in range(0, len(rows), at_once):
        part = slice(start, start + at_once)
        delta = (rows[part].float() - rows_base[part].float()).abs()
        places = np.argsort(delta.cpu().numpy(), axis=1, kind="stable")
        np.put_along_axis(found[part], places, ranks, axis=1)
    return found.reshape(-1)


def svd(base: Source, parent: Source) -> Array:
    """U, S and V of `Statistics.svd`, one after another; float32."""
    parts = torch.linalg.svd(parent.tensor.float() - base.tensor.float(), full_matrices=False)
    left, values, right = (part.cpu() for part in parts)
    return torch.cat([left.reshape(-1), values, right.T.reshape(-1)]).numpy()


def _mapped(path: Path) -> Array:
    # A plain array over the mapping: numpy's own class of mappings is slow to index.
    return np.asarray(np.load(path, mmap_mode="c"))


def _key(kind: str, *sources: Source | None) -> str:
    names = [source.key if source else "-" for source in sources]
    text = "\0".join([kind, str(_VERSION), *names])
    return f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:40]}"


def _magnitudes(base: Source, parent: Source) -> Iterator[npt.NDArray[np.float32]]:
    """|parent - base| in float32, tile by tile."""
    first, second = base.tensor.reshape(-1), parent.tensor.reshape(-1)
    for start in range(0, second.numel(), _TILE):
        end = start + _TILE
        yield (second[start:end].float() - first[start:end].float()).abs_().cpu().numpy()


def _variances(sources: Sequence[Source]) -> Iterator[npt.NDArray[np.float32]]:
    """Each entry's variance over the tensors, in float32, tile by tile.

    Equal entries add up exactly in float64, so that their variance is 0 and no less.
    """
    flat = [source.tensor.reshape(-1) for source in sources]
    for start in range(0, flat[0].numel(), _TILE):
        rows = torch.stack([tensor[start : start + _TILE].double() for tensor in flat])
        rows -= rows.sum(dim=0) / len(rows)
        # A NaN made here may have a sign, which would upset the order of bits.
        yield (rows.square_().sum(dim=0) / len(rows)).float().abs_().cpu().numpy()


def _bits(magnitudes: npt.NDArray[np.float32]) -> npt.NDArray[np.uint32]:
    """Numbers from 0 have the order of their bits."""
    return magnitudes.view(np.uint32)


def _uppers(base: Source, parent: Source) -> npt.NDArray[np.int64]:
    return _upper_counts(_magnitudes(base, parent))


def _upper_counts(tiles: Iterator[npt.NDArray[np.float32]]) -> npt.NDArray[np.int64]:
    """For numbers from 0, whose first bit is 0."""
    return upper_counts(_bits(tile) for tile in tiles)[: 1 << 15]


def _ranges(uppers: npt.NDArray[np.int64], at_once: int) -> Iterator[tuple[int, int]]:
    """Ranges of bits, from the highest, with up to `at_once` entries where bits allow it.

    Zeros, of which a frozen tensor has nothing else, are a range by themselves.
    """
    high, inside = len(uppers), 0
    for upper in range(len(uppers) - 1, -1, -1):
        if inside and inside + uppers[upper] > at_once:
            yield (upper + 1) << HALF, high << HALF
            high, inside = upper + 1, 0
        inside += int(uppers[upper])
    yield 1, high << HALF
    yield 0, 1
