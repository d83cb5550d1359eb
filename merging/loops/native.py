"""Loops called: a plan carried out over whole tensors, by as many threads as torch has."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from merging.loops.build import library
from merging.loops.source import source
from merging.loops.trace import Untraceable
from merging.method import Pointwise

# Below this many entries, handing a part to another thread takes longer than the part.
_SHARED = 1 << 16
_LARGEST = (1 << 31) - 1


class NativeLoops:
    """Loops by what they are compiled for: kernel, options, types and counts."""

    def __init__(self) -> None:
        self._loops: dict[object, Any] = {}
        self._threads: ThreadPoolExecutor | None = None

    def write(self, plan: Pointwise, flat: Sequence[Tensor], out: Tensor) -> bool:
        """Write what the plan gives for `flat`, its tensors, into `out`, both flat and contiguous.

        Whether all that is written is finite. Raises Untraceable where no loop is written for the
        plan, NoCompiler where none can be compiled.
        """
        loop = self._loop(plan, flat, out.dtype)
        return not any(self._run(loop, plan, flat, out.data_ptr(), out.numel()))

    def sum(self, plan: Pointwise, flat: Sequence[Tensor]) -> float:
        """The sum of what the plan gives. Raises as `write` does."""
        loop = self._loop(plan, flat, None)
        return float(sum(self._run(loop, plan, flat, None, flat[0].numel())))

    def _loop(self, plan: Pointwise, flat: Sequence[Tensor], written: torch.dtype | None) -> Any:
        if flat[0].numel() > _LARGEST:
            raise Untraceable("places beyond 32 bits")
        types = tuple(tensor.dtype for tensor in flat)
        counts = len(plan.numbers), len(plan.integers)
        key = (plan.kernel, plan.options, types, written, counts)
        if key not in self._loops:
            loop = library(source(plan, written)).run
            loop.restype = ctypes.c_double if written is None else ctypes.c_int
            self._loops[key] = loop
        return self._loops[key]

    def _run(
        self, loop: Any, plan: Pointwise, flat: Sequence[Tensor], target: int | None, count: int
    ) -> list[Any]:
        """What the loop returns for each part of the tensors."""
        tensors = (ctypes.c_void_p * len(flat))(*(tensor.data_ptr() for tensor in flat))
        numbers = (ctypes.c_float * len(plan.numbers))(*plan.numbers)
        limited = [max(min(one, _LARGEST), -_LARGEST) for one in plan.integers]
        integers = (ctypes.c_int32 * len(limited))(*limited)

        def part(start: int, end: int) -> Any:
            return loop(
                tensors,
                numbers,
                integers,
                ctypes.c_void_p(target),
                ctypes.c_int64(start),
                ctypes.c_int64(end),
            )

        parts = min(torch.get_num_threads(), max(1, count // _SHARED))
        if parts == 1:
            return [part(0, count)]
        if self._threads is None:
            self._threads = ThreadPoolExecutor(torch.get_num_threads() - 1, "merging")
        ends = [count * number // parts for number in range(1, parts + 1)]
        others = [self._threads.submit(part, start, end) for start, end in itertools.pairwise(ends)]
        return [part(0, ends[0]), *(one.result() for one in others)]
