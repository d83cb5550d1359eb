"""Every trial is scored on all items: at once, or in blocks by several workers at the same time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from search.item_blocks import Block, cut
from service.controller.allocating import EveryFinalistIsWhole, JobLog, Verdict
from service.tables import Trial
from workers.work import Result


class Whole(EveryFinalistIsWhole):
    """Every trial is scored on all items at once, by one worker."""

    def blocks(self, trial: Trial) -> Sequence[None]:
        return [None]

    def judge(self, trial: Trial, scored: Mapping[int, Result]) -> Sequence[Block]:
        return []


class InBlocks(EveryFinalistIsWhole):
    """Every trial is scored on all blocks of `size` items, in any order.

    The size is a setting, and never a matter of who is free: a child's scores may depend, in the
    last digits, on what else is scored in the same batch.
    """

    def __init__(self, size: int, log: JobLog) -> None:
        self._size = size
        self._log = log

    def blocks(self, trial: Trial) -> Sequence[Block]:
        scored = self._log.blocks.get(trial.number, {})
        return [block for block in self._every if block.number not in scored]

    def judge(self, trial: Trial, scored: Mapping[int, Result]) -> Verdict | Sequence[Block]:
        return Verdict(self._every, "finished") if len(scored) == len(self._every) else []

    @cached_property
    def _every(self) -> tuple[Block, ...]:
        return cut(self._log.item_counts(), self._size)
