"""What one job has for workers to do: what waits for one, and what is next."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Generic, Protocol, TypeVar

AnyTask = TypeVar("AnyTask")
AnyResult_contra = TypeVar("AnyResult_contra", contravariant=True)


class Living(Protocol[AnyTask, AnyResult_contra]):
    """A job's life, as far as it decides what is to be done."""

    def steps(self) -> Iterator[Sequence[AnyTask]]:
        """Steps, one after the other, each of tasks that may be done in any order."""
        ...

    def more(self) -> Sequence[AnyTask]:
        """What may be done besides, while the tasks of a step are on their way."""
        ...

    def wants(self, task: AnyTask) -> bool:
        """Whether a task of the step is still to be done."""
        ...

    def record(self, task: AnyTask, result: AnyResult_contra) -> Sequence[AnyTask]:
        """Keep a result; gives what the step needs besides."""
        ...


class WorkQueue(Generic[AnyTask, AnyResult_contra]):
    """The tasks of a life on the way to workers and back.

    What comes next is a function of the life and of the order in which results were recorded.
    """

    def __init__(self, life: Living[AnyTask, AnyResult_contra]) -> None:
        self._life = life
        self._steps = life.steps()
        self._waiting: deque[AnyTask] = deque()
        self._flying = 0
        self.done = False

    def next(self) -> AnyTask | None:
        """The next task; None while the step's last are on their way, or at the end."""
        while not self.done:
            while self._waiting:
                task = self._waiting.popleft()
                if self._life.wants(task):
                    self._flying += 1
                    return task
            self._waiting.extend(self._life.more())
            if self._waiting:
                continue
            if self._flying:
                return None
            step = next(self._steps, None)
            self.done = step is None
            self._waiting.extend(step or ())
        return None

    def record(self, task: AnyTask, result: AnyResult_contra) -> None:
        """Record the result of a task that `next` gave."""
        self._flying -= 1
        # In front: the worker that has just become free still holds this child.
        self._waiting.extendleft(reversed(self._life.record(task, result)))
