"""What the controller asks of whatever does the work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from workers.work import Result, Work


@dataclass(frozen=True)
class Occupation:
    """A worker, the machine that it is on, once that is known, and the piece of work that it has
    had since a moment, in seconds since 1970, if it has one."""

    worker: str
    node: str | None
    work_id: str | None = None
    since: float | None = None


class Workers(Protocol):
    """Several workers, each with at most one piece of work.

    Every piece of work offered ends in exactly one Result, unless it was withdrawn. One thread
    makes it and owns it.
    """

    @property
    def free(self) -> int:
        """How many more pieces of work would start at once."""

    def submit(self, work: Work) -> None:
        """Take one piece of work; it starts as soon as a worker is free."""

    def wait(self, seconds: float) -> Sequence[Result]:
        """Results that arrived, after at most `seconds`; waits no longer once there is one."""

    def withdraw(self, ids: set[str]) -> None:
        """Give up these pieces of work; they have no result."""

    def occupations(self) -> Sequence[Occupation]:
        """Every worker, and what it does."""

    def close(self) -> None:
        """End every worker."""


MakeWorkers = Callable[[], Workers]
