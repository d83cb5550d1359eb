"""One method of Cuvee in a process of its own: its times, its memory, and what copying takes.

The first line of standard input is the arguments of `Bench`, every further one a request for a
merge; each is answered by a line.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.recipes import recipe
from merging.engine import MergeEngine


def main() -> None:
    """Answer line by line."""
    bench = Bench(**json.loads(sys.stdin.readline()))
    print(json.dumps(bench.first()), flush=True)
    for line in sys.stdin:
        print(json.dumps(bench.again(**json.loads(line))), flush=True)


class Bench:
    """An engine of `folders`' models, the base first, with a bf16 resident.

    Memory is what the process holds beside mapped files, which are shared with other processes:
    RssAnon in /proc/self/status, in MB of 2^20 bytes.
    """

    def __init__(
        self, *, method: str, folders: Sequence[str], threads: int, compiled: bool, keep: str
    ) -> None:
        torch.set_num_threads(threads)
        self._before = _anonymous_mb()
        self._method = method
        self._base, *self._children = folders
        self._engine = MergeEngine(
            {one: Path(one) for one in folders},
            dtype="bfloat16",
            statistics=Path(keep),
            compiled=compiled,
        )
        tensors = list(self._engine.model.parameters())
        self._entries = sum(one.numel() for one in tensors)
        self._resident = sum(one.numel() * one.element_size() for one in tensors) / 2**20
        self._buffers = torch.zeros(2, 0, dtype=torch.bfloat16)

    def first(self) -> dict[str, Any]:
        """The first merge, with what is compiled and what is computed once from the parents.

        `first_peak_mb` and, afterwards, `held_mb` are over what the process held before the model
        was loaded. They include the compiler, about 100 MB that do not grow with the model.
        """
        seconds, peak = self._merge(0.5)
        return {
            "first_s": seconds,
            "first_peak_mb": peak - self._before,
            "held_mb": _anonymous_mb() - self._before,
            "resident_mb": self._resident,
            "compiled": self._engine.compiled,
        }

    def again(self, *, share: float, copy: bool) -> dict[str, Any]:
        """A merge with other numbers.

        `peak_mb` is the resident and the most that was held beside it while merging, over what is
        held between merges. With `copy`, `bound_s` is the time that copying takes.
        """
        held = _anonymous_mb()
        seconds, peak = self._merge(share)
        answer = {"seconds": seconds, "peak_mb": self._resident + max(0.0, peak - held)}
        return answer | ({"bound_s": self._copy()} if copy else {})

    def _merge(self, share: float) -> tuple[float, float]:
        merged = recipe(self._method, self._base, self._children, share)
        watch = _Peak()
        started = time.perf_counter()
        self._engine.merge(merged)
        return time.perf_counter() - started, watch.read()

    def _copy(self) -> float:
        """Seconds to move the bytes that a merge must: every model read once, one written.

        A copy reads and writes as much, so half as many bytes are copied.
        """
        models = len(recipe(self._method, self._base, self._children, 0.5).model_names())
        count = (models + 1) * self._entries // 2
        if self._buffers.shape[1] != count:
            # Touched once, so that no page is new.
            self._buffers = torch.ones(2, count, dtype=torch.bfloat16)
        started = time.perf_counter()
        self._buffers[1].copy_(self._buffers[0])
        return time.perf_counter() - started


class _Peak:
    """The most memory held from now on, looked at every few milliseconds."""

    def __init__(self) -> None:
        self._most = _anonymous_mb()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def read(self) -> float:
        """Stop looking; the most in MB."""
        self._stopped.set()
        self._thread.join()
        return self._most

    def _watch(self) -> None:
        while not self._stopped.wait(0.004):
            self._most = max(self._most, _anonymous_mb())


def _anonymous_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the system does not tell how much memory a process holds")


if __name__ == "__main__":
    main()
