"""Blocks: items of the search split that are scored together, by one worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

_LEAST = 12
_BLOCKS_A_WORKER = 8


@dataclass(frozen=True)
class Block:
    """Items that are scored together, as (task, place in the task's split), in order."""

    number: int
    items: tuple[tuple[str, int], ...]

    @cached_property
    def places(self) -> dict[str, tuple[int, ...]]:
        """The places by task, in the block's order; no entry for a task without any."""
        tasks = dict.fromkeys(task for task, _ in self.items)
        return {name: tuple(at for task, at in self.items if task == name) for name in tasks}


def automatic_size(population: int, items: int, workers: int) -> int | None:
    """How many items a block should have, so that a population keeps so many workers busy.

    None, whole candidates, where there are no more workers than candidates. Otherwise a generation
    has eight blocks a worker, so that the wait for its last ones is short beside it. A block has at
    least 12 items, as every worker that scores one builds the child first. Found with the simulator
    (`benchmarks/scheduling.py`): within a tenth of the best size over a wide range of loads.
    """
    if workers <= population:
        return None
    size = max(_LEAST, population * items // (_BLOCKS_A_WORKER * workers))
    return size if size < items else None


def cut(counts: Mapping[str, int], size: int) -> tuple[Block, ...]:
    """All items of all tasks in blocks of `size` items; the last one may have fewer.

    `counts` are the numbers of items by task. Tasks follow one another by name and items by place,
    so blocks are a function of the tasks and the size alone.
    """
    items = [(task, place) for task in sorted(counts) for place in range(counts[task])]
    starts = range(0, len(items), size)
    return tuple(
        Block(number, tuple(items[start : start + size])) for number, start in enumerate(starts)
    )
