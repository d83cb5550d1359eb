"""Whose turn it is: jobs share the workers by the time they use, weighted by priority.

Weighted fair queueing: each job has a clock that runs by the worker seconds it has used, divided by
its weight; the job whose clock is furthest behind comes first. While a piece of work is on its way
it counts as long as the job's pieces took on average. A job that joins starts where the one that is
furthest behind stands: it makes up for nothing that was before it. (Demers, Keshav and Shenker,
"Analysis and simulation of a fair queueing algorithm", 1989; here with measured times in place of
packet lengths.)
"""

from __future__ import annotations

from dataclasses import dataclass

# What a piece of work counts before one has ended, and at least: seconds.
_FIRST_GUESS = 1.0
_LEAST = 1e-4


@dataclass
class _Share:
    weight: float
    clock: float
    flying: int = 0
    pieces: int = 0
    seconds: float = 0.0

    def position(self) -> float:
        """Where the clock will be when what is on its way has ended."""
        usual = self.seconds / self.pieces if self.pieces else _FIRST_GUESS
        return self.clock + self.flying * usual / self.weight


class FairShare:
    """The clocks of the jobs that share some workers."""

    def __init__(self) -> None:
        self._shares: dict[str, _Share] = {}

    def join(self, job: str, weight: float) -> None:
        """Let a job take part; or change its weight, if it does already."""
        if job in self._shares:
            self._shares[job].weight = weight
            return
        start = min((share.position() for share in self._shares.values()), default=0.0)
        self._shares[job] = _Share(weight, start)

    def leave(self, job: str) -> None:
        """Forget the job, if it takes part."""
        self._shares.pop(job, None)

    def order(self) -> list[str]:
        """All jobs, the one that is furthest behind first; of equals, the one that joined first."""
        return sorted(self._shares, key=lambda job: self._shares[job].position())

    def begun(self, job: str) -> None:
        """A piece of work has gone to a worker; it counts if its job takes part."""
        if share := self._shares.get(job):
            share.flying += 1

    def ended(self, job: str, seconds: float) -> None:
        """A piece of work has ended that had begun, after so many seconds with its worker."""
        if share := self._shares.get(job):
            seconds = max(seconds, _LEAST)
            share.flying -= 1
            share.pieces += 1
            share.seconds += seconds
            share.clock += seconds / share.weight
