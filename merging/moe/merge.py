"""Merging the experts of a model: fewer distinct experts, all routers as they were."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from merging.errors import CheckpointError, NonFiniteError
from merging.moe.alignment import Matrices, alignment
from merging.moe.grouping import dominant_counts, leaders
from merging.moe.layout import Expert, ExpertBlock, expert_blocks

if TYPE_CHECKING:
    from torch import Tensor


Orders = dict[str, list[int]]
"""The alignment of experts to the first of their block, by the name of their gate."""


class MergedExperts:
    """The expert tensors of a child whose experts share weights in groups.

    `names` are the checkpoint's tensors, `tensor` reads one; `statistics` come from
    `merging.moe.routing.routing_statistics`; `groups` is how many experts a block keeps on average.
    Experts are aligned to the first of their block (W_i P_i), and a group's weights are
    W = sum_i f_i W_i P_i / sum_i f_i with the frequencies f_i, or the plain mean where none was
    ever used. A group of one stays as it is. Source: arXiv 2310.01334.

    `orders` keeps alignments, which take long, for other numbers of groups of the same weights.

    Raises CheckpointError if there are no experts, or statistics of another model.
    """

    def __init__(
        self,
        names: Sequence[str],
        tensor: Callable[[str], Tensor],
        statistics: Mapping[str, Tensor],
        groups: float,
        orders: Orders | None = None,
    ) -> None:
        self._tensor = tensor
        known = {} if orders is None else orders
        blocks = expert_blocks(names)
        rows = [_statistics_of(block, statistics) for block in blocks]
        counts = dominant_counts([row[0] for row in rows], groups)
        self._blocks = [
            _Block(block, row[0], leaders(row[0], row[1:], count), tensor, known)
            for block, row, count in zip(blocks, rows, counts, strict=True)
        ]
        self._places = {
            name: (block, number, part)
            for block in self._blocks
            for number, expert in enumerate(block.names)
            for part, name in enumerate((expert.gate, expert.up, expert.down))
        }

    @property
    def leaders(self) -> list[list[int]]:
        """For every block, the leader of each expert's group."""
        return [block.leaders for block in self._blocks]

    @property
    def saved(self) -> int:
        """How many numbers of the model are copies of others, and needn't be kept."""
        return sum(block.saved for block in self._blocks)

    def tensor(self, name: str) -> Tensor:
        """The child's tensor: of an expert in a group of several new and in float32; any other is
        the model's own. Raises NonFiniteError where experts to be merged hold NaN or infinity."""
        if name not in self._places:
            return self._tensor(name)
        block, number, part = self._places[name]
        return block.tensor(number, part)


class _Block:
    def __init__(
        self,
        block: ExpertBlock,
        frequencies: Sequence[float],
        leading: list[int],
        tensor: Callable[[str], Tensor],
        orders: Orders,
    ) -> None:
        self.names, self.leaders = block.experts, leading
        self._frequencies, self._tensor = frequencies, tensor
        self._orders = orders

    @property
    def saved(self) -> int:
        size = sum(one.numel() for one in self._matrices(self.names[0]))
        return size * (len(self.leaders) - len(set(self.leaders)))

    def tensor(self, number: int, part: int) -> Tensor:
        members = [i for i, one in enumerate(self.leaders) if one == self.leaders[number]]
        if len(members) == 1:
            return self._matrices(self.names[number])[part]
        total = sum(self._frequencies[one] for one in members)
        merged = None
        for one in members:
            share = self._frequencies[one] / total if total > 0 else 1 / len(members)
            weights = self._matrices(self.names[one])[part].float()
            order = self._order(one)
            aligned = (weights[:, order] if part == _DOWN else weights[order]) * share
            merged = aligned if merged is None else merged + aligned
        assert merged is not None
        return merged

    def _order(self, number: int) -> list[int]:
        key = self.names[number].gate
        if key not in self._orders:
            reference, expert = (self._finite(self.names[one]) for one in (0, number))
            self._orders[key] = alignment(reference, expert).tolist()
        return self._orders[key]

    def _finite(self, expert: Expert) -> Matrices:
        matrices = self._matrices(expert)
        for name, one in zip((expert.gate, expert.up, expert.down), matrices, strict=True):
            if not bool(one.isfinite().all()):
                raise NonFiniteError(f"the tensor {name!r} of an expert holds NaN or infinity")
        return matrices

    def _matrices(self, expert: Expert) -> Matrices:
        return self._tensor(expert.gate), self._tensor(expert.up), self._tensor(expert.down)


_DOWN = 2


def _statistics_of(block: ExpertBlock, statistics: Mapping[str, Tensor]) -> list[list[float]]:
    count = len(block.experts)
    found = statistics.get(block.router)
    if found is None or tuple(found.shape) != (1 + count, count):
        raise CheckpointError(
            f"the routing statistics say nothing of {count} experts of"
            f" {block.router!r}: they are another model's"
        )
    rows: list[list[float]] = found.tolist()
    return rows
