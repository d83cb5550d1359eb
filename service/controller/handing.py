"""Work in the hands of the workers, and who it is for."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.controller.sharing import FairShare
from workers.interface import Occupation, Workers
from workers.work import Result, Work


@dataclass
class _Piece:
    """A piece of work from when it is given until its result is recorded."""

    owner: str
    since: float
    result: Result | None = None
    claimed: bool = True


class Hands:
    """The workers, shared by owners: jobs in fair order, and exports.

    A result stays here until it is recorded. When the database is lost before that, all is let go
    of; whoever takes the same job up anew is about to give the same work, and finds it on its way
    or done.
    """

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._pieces: dict[str, _Piece] = {}
        self._shares = FairShare()
        self._weights: dict[str, float] = {}

    @property
    def free(self) -> int:
        """How many more pieces of work would start at once."""
        return self._workers.free

    @property
    def busy(self) -> bool:
        """Whether results are still to come, or to be recorded, for those who are here."""
        return any(piece.claimed for piece in self._pieces.values())

    @property
    def unclaimed(self) -> set[str]:
        """The owners of work that was let go of."""
        return {piece.owner for piece in self._pieces.values() if not piece.claimed}

    def share(self, weights: Mapping[str, float]) -> None:
        """Share the workers among these jobs from now on."""
        owners = {piece.owner for piece in self._pieces.values()}
        for job in {*self._weights} - {*weights} - owners:
            self._shares.leave(job)
        self._weights = dict(weights)
        for job, weight in weights.items():
            self._shares.join(job, weight)

    def order(self) -> list[str]:
        """The jobs that share the workers, the one whose turn it is first."""
        return [job for job in self._shares.order() if job in self._weights]

    def give(self, owner: str, work: Work) -> None:
        """Have a piece of work done, unless the same is on its way or done already."""
        if piece := self._pieces.get(work.id):
            piece.claimed = True
            return
        self._pieces[work.id] = _Piece(owner, time.monotonic())
        self._shares.begun(owner)
        self._workers.submit(work)

    def wait(self, seconds: float) -> Sequence[Result]:
        """Results that are there, after at most `seconds`; waits no longer once there is one."""
        kept = any(piece.claimed and piece.result for piece in self._pieces.values())
        for result in self._workers.wait(0.0 if kept else seconds):
            piece = self._pieces[result.id]
            piece.result = result
            self._shares.ended(piece.owner, time.monotonic() - piece.since)
        pieces = self._pieces.values()
        return [piece.result for piece in pieces if piece.claimed and piece.result is not None]

    def done(self, result: Result) -> None:
        """The result is recorded, or nobody wants it any more."""
        self._pieces.pop(result.id, None)

    def occupations(self) -> Sequence[Occupation]:
        """Every worker, and what it does."""
        return self._workers.occupations()

    def withdraw(self, owner: str) -> None:
        """Give up all work of this owner's, who shares the workers no longer."""
        mine = {work_id: piece for work_id, piece in self._pieces.items() if piece.owner == owner}
        flying = {work_id for work_id, piece in mine.items() if piece.result is None}
        if flying:
            self._workers.withdraw(flying)
        for work_id in mine:
            del self._pieces[work_id]
        self._weights.pop(owner, None)
        self._shares.leave(owner)

    def let_go(self) -> None:
        """Nobody is here for what is on its way, until it is given again."""
        for piece in self._pieces.values():
            piece.claimed = False

    def close(self) -> None:
        """End every worker."""
        self._workers.close()
