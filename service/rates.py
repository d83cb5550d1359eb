"""A limit on how often somebody may call: so many requests a second, and some at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_CALLERS = 10_000


class RateLimit:
    """A bucket for every caller: `burst` requests fit in, and `rate` a second flow out again.

    It counts what this process serves. Rate 0 limits nothing.
    """

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic):
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._lock = threading.Lock()
        # For each caller: how full the bucket was, and when.
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, caller: str) -> float:
        """Count one request; the seconds to wait before another try, 0 if this one may pass."""
        if not self._rate:
            return 0.0
        with self._lock:
            at = self._clock()
            level = self._level(caller, at)
            if level + 1 > self._burst:
                return (level + 1 - self._burst) / self._rate
            if len(self._levels) >= _CALLERS:
                self._forget(at)
            self._levels[caller] = (level + 1, at)
            return 0.0

    def _level(self, caller: str, at: float) -> float:
        level, before = self._levels.get(caller, (0.0, at))
        return max(0.0, level - (at - before) * self._rate)

    def _forget(self, at: float) -> None:
        """Drop empty buckets; an absent one is empty too."""
        self._levels = {
            caller: entry for caller, entry in self._levels.items() if self._level(caller, at)
        }
