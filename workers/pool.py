"""The pool of workers: takes work, replaces workers that die or hang, gives results back."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError

from workers.actor import Worker
from workers.errors import NoWorkers
from workers.interface import Occupation
from workers.work import Result, Work

ATTEMPTS = 3


@dataclass
class _Seat:
    """A place for one actor, and what the actor in it does; `up` once it can take work."""

    actor: Any
    name: str
    up: bool = False
    work: Work | None = None
    attempt: int = 0
    pending: Any = None
    ready: Any = None
    deadline: float = 0.0
    since: float | None = None
    node: str | None = None


class Pool:
    """`size` actors, each with at most one piece of work.

    A worker that dies is replaced and its work tried again, `ATTEMPTS` times in all; one that
    exceeds its work's time limit is killed and the work ends with that reason. Every piece of work
    offered ends in exactly one Result, unless it was withdrawn. Work goes to workers that are up:
    where a cluster has lost a node, those that find no CPU any more keep none waiting. Not
    thread-safe: one thread, the controller's, owns it. Each actor may have `memory` bytes, or as
    many as there are; with `nodes` the workers' names say where they are.
    """

    def __init__(
        self, size: int, memory: int | None = None, worker: type = Worker, *, nodes: bool = False
    ) -> None:
        # Over all nodes: what one of them loses is little, and their memories share the parents.
        options = ray.remote(num_cpus=1, max_restarts=0, scheduling_strategy="SPREAD")
        self._actor: Any = options(worker)
        self._memory = memory
        self._more = {"node": True} if nodes else {}
        self._failed_starts = 0
        self._names = (f"worker-{number}" for number in itertools.count())
        self._seats = [self._new_seat() for _ in range(size)]
        self._again: deque[tuple[Work, int]] = deque()

    @property
    def free(self) -> int:
        """How many more pieces of work would start at once."""
        self._welcome()
        idle = sum(seat.up and seat.work is None for seat in self._seats)
        return max(0, idle - len(self._again))

    def submit(self, work: Work) -> None:
        """Take one piece of work; it starts as soon as a worker is free."""
        self._welcome()
        self._again.append((work, 1))
        self._seat_waiting()

    def wait(self, seconds: float) -> Sequence[Result]:
        """Results that arrived, after at most `seconds`; waits no longer once there is one, or a
        worker has come up. Raises NoWorkers."""
        busy = {seat.pending: seat for seat in self._seats if seat.work is not None}
        coming = [seat.ready for seat in self._seats if not seat.up]
        if not busy and not coming:
            time.sleep(seconds)
            return []
        ray.wait([*busy, *coming], num_returns=1, timeout=seconds)
        # Whatever is there comes along, without waiting.
        ready, _ = ray.wait(list(busy), num_returns=len(busy), timeout=0) if busy else ([], [])
        self._welcome()
        ended = [self._collect(busy[reference]) for reference in ready]
        ended += [self._expire(seat) for seat in self._seats]
        self._seat_waiting()
        return [result for result in ended if result is not None]

    def withdraw(self, ids: set[str]) -> None:
        """Give up these pieces of work: kill the workers that run them, return no result."""
        self._again = deque(entry for entry in self._again if entry[0].id not in ids)
        for seat in self._seats:
            if seat.work is not None and seat.work.id in ids:
                self._replace(seat)
        self._seat_waiting()

    def occupations(self) -> Sequence[Occupation]:
        """Every worker, and what it does."""
        return [
            Occupation(seat.name, seat.node)
            if seat.work is None
            else Occupation(seat.name, seat.node, seat.work.id, seat.since)
            for seat in self._seats
        ]

    def close(self) -> None:
        """Kill every worker."""
        for seat in self._seats:
            ray.kill(seat.actor)

    def _welcome(self) -> None:
        """See which workers have come up, and replace those that could not."""
        coming = {seat.ready: seat for seat in self._seats if not seat.up}
        ready, _ = (
            ray.wait(list(coming), num_returns=len(coming), timeout=0) if coming else ([], [])
        )
        for reference in ready:
            seat = coming[reference]
            try:
                seat.node = ray.get(reference)
            except RayError as error:
                self._failed_starts += 1
                if self._failed_starts > ATTEMPTS * len(self._seats):
                    reason = str(error).splitlines()[0]
                    raise NoWorkers(f"no worker starts: {reason}") from error
                self._replace(seat)
                continue
            seat.up, self._failed_starts = True, 0

    def _seat_waiting(self) -> None:
        for seat in self._seats:
            if seat.up and seat.work is None and self._again:
                work, attempt = self._again.popleft()
                seat.work, seat.attempt = work, attempt
                seat.deadline = time.monotonic() + work.timeout_seconds
                seat.since = time.time()
                seat.pending = seat.actor.run.remote(work)

    def _collect(self, seat: _Seat) -> Result | None:
        work, attempt = seat.work, seat.attempt
        assert work is not None
        try:
            result: Result = ray.get(seat.pending)
        except RayError as error:
            name = seat.name
            self._replace(seat)
            if attempt < ATTEMPTS:
                self._again.appendleft((work, attempt + 1))
                return None
            reason = f"its worker died {ATTEMPTS} times: {str(error).splitlines()[0]}"
            return Result(work.id, name, {}, reason, 0.0, 0.0)
        seat.work = None
        return result

    def _expire(self, seat: _Seat) -> Result | None:
        work = seat.work
        if work is None or time.monotonic() < seat.deadline:
            return None
        name = seat.name
        self._replace(seat)
        reason = f"took longer than {work.timeout_seconds:g} s"
        return Result(work.id, name, {}, reason, 0.0, 0.0)

    def _replace(self, seat: _Seat) -> None:
        ray.kill(seat.actor)
        fresh = self._new_seat()
        seat.actor, seat.name, seat.ready = fresh.actor, fresh.name, fresh.ready
        seat.up, seat.work, seat.node = False, None, None

    def _new_seat(self) -> _Seat:
        name = next(self._names)
        actor = self._actor.remote(name, self._memory, **self._more)
        return _Seat(actor=actor, name=name, ready=actor.ready.remote())
