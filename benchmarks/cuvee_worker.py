"""One method in a process of its own: its times, its memory, and what copying would take."""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.recipes import recipe
from merging.engine import MergeEngine


def main() -> None:
    """Read the request from standard input, and write the figures."""
    request = json.load(sys.stdin)
    print(json.dumps(measure(**request)))


def measure(
    *,
    method: str,
    folders: dict[str, str],
    threads: int,
    repeats: int,
    compiled: bool,
    keep: str,
) -> dict[str, Any]:
    """Seconds of the first merge and of the median of the next, peak memory in MB.

    Memory is what the process holds beside mapped files, which are shared (RssAnon), over what it
    held with Python, torch and the compiler loaded and no model: `peak_mb` while merging again and
    again, `first_peak_mb` with compilation and statistics.
    """
    torch.set_num_threads(threads)
    before = _anonymous_mb()
    paths = {name: Path(folder) for name, folder in folders.items()}
    base, *children = [str(path) for path in paths.values()]
    models = {str(path): path for path in paths.values()}
    engine = MergeEngine(models, dtype="bfloat16", statistics=Path(keep), compiled=compiled)
    resident = sum(one.numel() * one.element_size() for one in engine.model.parameters()) / 2**20
    peak = Peak()
    started = time.perf_counter()
    engine.merge(recipe(method, base, children, 0.5))
    first = time.perf_counter() - started
    first_peak = peak.read()
    _copy_seconds(engine, 1 + len(children))
    held = _anonymous_mb()
    peak = Peak()
    seconds, copies = [], []
    for number in range(repeats):
        merged = recipe(method, base, children, 0.3 + 0.4 * (number + 0.5) / repeats)
        started = time.perf_counter()
        engine.merge(merged)
        seconds.append(time.perf_counter() - started)
        copies.append(_copy_seconds(engine, len(merged.model_names())))
    return {
        "cuvee_s": statistics.median(seconds),
        "first_s": first,
        "bound_s": statistics.median(copies),
        "resident_mb": resident,
        # The resident, and the most that was held beside it while merging.
        "peak_mb": resident + max(0.0, peak.read() - held),
        "first_peak_mb": first_peak - before,
        "compiled": engine.compiled,
    }


def _copy_seconds(engine: MergeEngine, models: int) -> float:
    """The time to move the bytes that a merge must: every model read, one written.

    A copy reads and writes as much, so half as many bytes are copied.
    """
    tensors = [one.view(-1) for one in engine.model.parameters()]
    count = sum(one.numel() for one in tensors)
    moved = (models + 1) * count // 2
    source, target = _buffers(moved)
    started = time.perf_counter()
    target.copy_(source)
    return time.perf_counter() - started


_KEPT: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}


def _buffers(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Two bf16 tensors, touched once so that no page is new."""
    if count not in _KEPT:
        _KEPT[count] = (
            torch.zeros(count, dtype=torch.bfloat16),
            torch.ones(count, dtype=torch.bfloat16),
        )
    return _KEPT[count]


class Peak:
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
