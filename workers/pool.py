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
from workers.interface import Occupation
from workers.work import Result, Work

ATTEMPTS = 3


@dataclass
class _Seat:
    """A place for one actor, and what the actor in it does."""

    actor: Any
    name: str
    work: Work | None = None
    attempt: int = 0
    pending: Any = None
    ready: Any = None
    deadline: float | None = None
    since: float | None = None
    node: str | None = None


class Pool:
    """`size` actors, each with at most one piece of work.

    A worker that dies is replaced and its work tried again, `ATTEMPTS` times in all; one that
    exceeds its work's time limit is killed and the work ends with that reason. Every piece of work
    offered ends in exactly one Result, unless it was withdrawn. Not thread-safe: one thread, the
    controller's, owns it. Each actor may have `memory` bytes, or as many as there are.
    """

    def __init__(self, size: int, memory: int | None = None, worker: type = Worker) -> None:
        self._actor: Any = ray.remote(num_cpus=1, max_restarts=0)(worker)
        self._memory = memory
        self._names = (f"worker-{number}" for number in itertools.count())
        self._seats = [self._new_seat() for _ in range(size)]
        self._again: deque[tuple[Work, int]] = deque()

    @property
    def free(self) -> int:
        """How many more pieces of work would start at once."""
        idle = sum(seat.work is None for seat in self._seats)
        return max(0, idle - len(self._again))

    def submit(self, work: Work) -> None:
        """Take one piece of work; it starts as soon as a worker is free."""
        self._again.append((work, 1))
        self._seat_waiting()

    def wait(self, seconds: float) -> Sequence[Result]:
        """Results that arrived, after at most `seconds`; waits no longer once there is one."""
        busy = {seat.pending: seat for seat in self._seats if seat.work is not None}
        if not busy:
            time.sleep(seconds)
            return []
        ready, _ = ray.wait(list(busy), num_returns=1, timeout=seconds)
        if ready:
            # Whatever else is there already comes along, without waiting.
            ready, _ = ray.wait(list(busy), num_returns=len(busy), timeout=0)
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
            Occupation(seat.name, _node(seat))
            if seat.work is None
            else Occupation(seat.name, _node(seat), seat.work.id, seat.since)
            for seat in self._seats
        ]

    def close(self) -> None:
        """Kill every worker."""
        for seat in self._seats:
            ray.kill(seat.actor)

    def _seat_waiting(self) -> None:
        for seat in self._seats:
            if seat.work is None and self._again:
                work, attempt = self._again.popleft()
                seat.work, seat.attempt = work, attempt
                seat.deadline = None
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
        if work is None:
            return None
        if seat.deadline is None and _is_up(seat):
            # A fresh worker imports for seconds; its work's time begins when it is up.
            seat.deadline = time.monotonic() + work.timeout_seconds
        if seat.deadline is None or time.monotonic() < seat.deadline:
            return None
        name = seat.name
        self._replace(seat)
        reason = f"took longer than {work.timeout_seconds:g} s"
        return Result(work.id, name, {}, reason, 0.0, 0.0)

    def _replace(self, seat: _Seat) -> None:
        ray.kill(seat.actor)
        fresh = self._new_seat()
        seat.actor, seat.name, seat.ready, seat.work = fresh.actor, fresh.name, fresh.ready, None
        seat.node = None

    def _new_seat(self) -> _Seat:
        name = next(self._names)
        actor = self._actor.remote(name, self._memory)
        return _Seat(actor=actor, name=name, ready=actor.ready.remote())


def _is_up(seat: _Seat) -> bool:
    up, _ = ray.wait([seat.ready], timeout=0)
    return bool(up)


def _node(seat: _Seat) -> str | None:
    if seat.node is None and _is_up(seat):
        try:
            seat.node = ray.get(seat.ready)
        except RayError:
            # It died while it started; whoever gives it work finds that out.
            return None
    return seat.node
