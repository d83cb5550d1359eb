"""Passes over tensors, entry by entry: one native loop, or tile by tile where there is none.

Arithmetic on whole tensors would write and read every intermediate through memory. As a loop
(`merging.loops`), a plan reads each input once and writes the child. Without one it goes through
tiles that stay in a core's cache.
"""

from __future__ import annotations

import logging
import math

import torch
from torch import Tensor

from merging.loops.build import NoCompiler
from merging.loops.native import NativeLoops
from merging.loops.trace import Untraceable
from merging.method import Pointwise

log = logging.getLogger(__name__)

TILE = 1 << 18


class Runner:
    """Carries out plans.

    `compiled`: by a loop for each kind of plan, compiled when it is first met. Where no C++
    compiler is found the runner turns that off by itself, with a warning, and goes on tile by
    tile, as it does for what no loop is written for: other devices than the processor, or more
    than 2^31 entries.
    """

    def __init__(self, *, compiled: bool) -> None:
        self._compiled = compiled
        self._loops = NativeLoops()

    @property
    def compiled(self) -> bool:
        """Whether plans are compiled."""
        return self._compiled

    @torch.no_grad()
    def write(self, plan: Pointwise, target: Tensor) -> Tensor:
        """Write what the plan gives into `target`: contiguous, of the plan's shape, any type.

        Returns a number (float32, no dimension) that is finite only if every entry written is: a
        look at it here spares a pass.
        """
        out = target.view(-1)
        flat = _flat(plan)
        if self._compiled and out.device.type == "cpu":
            try:
                return torch.tensor(0.0 if self._loops.write(plan, flat, out) else math.nan)
            except NoCompiler as error:
                self._give_up(error)
            except Untraceable as error:
                log.debug("merged tile by tile: %s", error)
        numbers, integers = _scalars(plan, out.device)
        sums = [out.new_zeros((), dtype=torch.float32)]
        for start in range(0, out.numel(), TILE):
            tiles = [tensor[start : start + TILE] for tensor in flat]
            part = out[start : start + TILE]
            index = torch.arange(start, start + part.numel(), device=out.device)
            part.copy_(plan.kernel(tiles, numbers, integers, index, **dict(plan.options)))
            sums.append(part.sum(dtype=torch.float32))
        return torch.stack(sums).sum()

    @torch.no_grad()
    def sum(self, plan: Pointwise) -> float:
        """The sum of what the plan gives, in double precision."""
        flat = _flat(plan)
        if self._compiled and flat[0].device.type == "cpu":
            try:
                return self._loops.sum(plan, flat)
            except NoCompiler as error:
                self._give_up(error)
            except Untraceable as error:
                log.debug("added up tile by tile: %s", error)
        numbers, integers = _scalars(plan, flat[0].device)
        total = 0.0
        for start in range(0, flat[0].numel(), TILE):
            tiles = [tensor[start : start + TILE] for tensor in flat]
            index = torch.arange(start, start + tiles[0].numel(), device=tiles[0].device)
            tile = plan.kernel(tiles, numbers, integers, index, **dict(plan.options))
            total += float(tile.sum(dtype=torch.float64))
        return total

    def _give_up(self, error: NoCompiler) -> None:
        log.warning("merging is slower, for its loops could not be compiled: %s", error)
        self._compiled = False


def _flat(plan: Pointwise) -> list[Tensor]:
    return [tensor.reshape(-1) for tensor in plan.tensors]


def _scalars(plan: Pointwise, device: torch.device) -> tuple[Tensor, Tensor]:
    return (
        torch.tensor(plan.numbers, dtype=torch.float32, device=device),
        torch.tensor(plan.integers, dtype=torch.int64, device=device),
    )
