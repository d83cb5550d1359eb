"""Passes over tensors, entry by entry: one compiled loop, or tile by tile where none is compiled.

Arithmetic on whole tensors would write and read every intermediate through memory. Compiled by
torch's inductor, a plan is a single loop that reads each input once and writes the child. Run
eagerly, it goes through tiles that stay in a core's cache.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch._dynamo.exc import BackendCompilerFailed

from merging.method import Pointwise

log = logging.getLogger(__name__)

TILE = 1 << 18
_SMALL = 1 << 12


class Runner:
    """Carries out plans.

    `compiled`: compile each kind of plan when it is first met. Where no C++ compiler is found the
    runner turns that off by itself, with a warning, and goes on tile by tile.
    """

    def __init__(self, *, compiled: bool) -> None:
        self._compiled = compiled
        self._loops: dict[object, Callable[..., Any]] = {}

    @property
    def compiled(self) -> bool:
        """Whether plans are compiled."""
        return self._compiled

    @torch.no_grad()
    def write(self, plan: Pointwise, target: Tensor) -> Tensor:
        """Write what the plan gives into `target`: contiguous, of the plan's shape, any type.

        Returns the sum of what was written (float32, no dimension), which is finite only if every
        entry is: a look at it here spares a pass.
        """
        out = target.view(-1)
        flat = [tensor.reshape(-1) for tensor in plan.tensors]
        if self._compiles(out.numel()):
            done, total = self._run(_write, plan, flat, out)
            if done:
                written: Tensor = total
                return written
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
        flat = [tensor.reshape(-1) for tensor in plan.tensors]
        if self._compiles(flat[0].numel()):
            done, total = self._run(_sum, plan, flat)
            if done:
                return float(total)
        numbers, integers = _scalars(plan, flat[0].device)
        total = 0.0
        for start in range(0, flat[0].numel(), TILE):
            tiles = [tensor[start : start + TILE] for tensor in flat]
            index = torch.arange(start, start + tiles[0].numel(), device=tiles[0].device)
            tile = plan.kernel(tiles, numbers, integers, index, **dict(plan.options))
            total += float(tile.sum(dtype=torch.float64))
        return total

    def _compiles(self, count: int) -> bool:
        # To call a compiled loop takes as long as a few thousand entries do without.
        return self._compiled and count >= _SMALL

    def _run(
        self, loop: Callable[..., Any], plan: Pointwise, flat: list[Tensor], *out: Tensor
    ) -> tuple[bool, Any]:
        """Run the plan's compiled loop: whether it could be compiled, and what it returns."""
        types = tuple(tensor.dtype for tensor in (*flat, *out))
        key = (loop, plan.kernel, plan.options, types, len(plan.numbers), len(plan.integers))
        arguments = (flat, _scalars(plan, flat[0].device), *out)
        try:
            if key in self._loops:
                return True, self._loops[key](*arguments)
            self._loops[key] = _compiled(partial(loop, plan.kernel, dict(plan.options)))
            with warnings.catch_warnings():
                # What torch's compiler imports warns that other parts of torch are going away.
                warnings.simplefilter("ignore", DeprecationWarning)
                return True, self._loops[key](*arguments)
        except BackendCompilerFailed as error:
            reason = str(error).strip().splitlines()[0]
            log.warning("merging is slower, for its loops could not be compiled: %s", reason)
            self._compiled = False
            return False, None


def _compiled(loop: Callable[..., Any]) -> Callable[..., Any]:
    compiler: Any = torch.compile
    # With isolation a loop's types and sizes count against its own limit of recompilations.
    compiled: Callable[..., Any] = compiler(
        loop, dynamic=True, fullgraph=True, isolate_recompiles=True
    )
    return compiled


def _write(
    kernel: Callable[..., Tensor],
    options: dict[str, Any],
    tensors: list[Tensor],
    scalars: tuple[Tensor, Tensor],
    out: Tensor,
) -> Tensor:
    index = torch.arange(out.numel(), device=out.device)
    stored = kernel(tensors, *scalars, index, **options).to(out.dtype)
    out.copy_(stored)
    return stored.sum(dtype=torch.float32)


def _sum(
    kernel: Callable[..., Tensor],
    options: dict[str, Any],
    tensors: list[Tensor],
    scalars: tuple[Tensor, Tensor],
) -> Tensor:
    index = torch.arange(tensors[0].numel(), device=tensors[0].device)
    return kernel(tensors, *scalars, index, **options).sum(dtype=torch.float64)


def _scalars(plan: Pointwise, device: torch.device) -> tuple[Tensor, Tensor]:
    return (
        torch.tensor(plan.numbers, dtype=torch.float32, device=device),
        torch.tensor(plan.integers, dtype=torch.int64, device=device),
    )
