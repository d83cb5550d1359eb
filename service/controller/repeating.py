"""A thread beside the controller that looks for something to do, again and again."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog
from huggingface_hub.utils.tqdm import disable_progress_bars

from service.database import DatabaseLost
from service.leases.repository import LeaseLost

log = structlog.get_logger(__name__)

_POLL_SECONDS = 0.5


class Stopped(Exception):
    """The thread was asked to end, in the middle of something."""


class Repeating(threading.Thread):
    """Does `step` about twice a second until `stop` is called; `stopping` is set from then on.

    A step that loses the database or a lease is begun anew.
    """

    def __init__(self, name: str, step: Callable[[], None]) -> None:
        super().__init__(name=name, daemon=True)
        self._step = step
        self.stopping = threading.Event()

    def stop(self) -> None:
        """Ask the thread to end, after what is under way or as soon as it looks."""
        self.stopping.set()

    def run(self) -> None:
        # Bars are for terminals: how far something is stands in the database.
        disable_progress_bars()
        while not self.stopping.wait(_POLL_SECONDS):
            try:
                self._step()
            except Stopped:
                return
            except (*DatabaseLost, LeaseLost) as error:
                log.warning("interrupted", thread=self.name, reason=str(error))
