"""Turns: threads of one process that write one after another, in the order in which they asked."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock


class Turns:
    """A lock that goes to whoever has waited longest.

    A plain lock goes to whoever asks at the right moment, which under many writers leaves one of
    them waiting without end.
    """

    def __init__(self) -> None:
        self._guard = Lock()
        self._queue: deque[Event] = deque()

    @contextmanager
    def taken(self, patience: float) -> Iterator[None]:
        """Hold the lock within the block.

        Raises:
            TimeoutError: `patience` seconds went by before one's turn.
        """
        mine = Event()
        with self._guard:
            self._queue.append(mine)
            self._call_first()
        try:
            if not mine.wait(patience):
                raise TimeoutError(f"waited {patience:g} s for other writers of this process")
            yield
        finally:
            with self._guard:
                self._queue.remove(mine)
                self._call_first()

    def __len__(self) -> int:
        """How many threads hold the lock or wait for it."""
        return len(self._queue)

    def _call_first(self) -> None:
        if self._queue:
            self._queue[0].set()
