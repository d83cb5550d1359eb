"""What runs inside a Ray actor: one process, one thread, one evaluator at a time."""

from __future__ import annotations

import socket
from collections.abc import Callable

import ray.util
import torch

from workers.evaluator import Evaluator
from workers.limits import limit_memory
from workers.work import Context, Evaluate, Prepare, Result, Work


class Worker:
    """Runs work one piece at a time; a piece that raises is a result with its reason.

    It may have `memory` bytes, or as many as there are. With `node` its name says on which node of
    the cluster it is.
    """

    def __init__(self, name: str, memory: int | None = None, *, node: bool = False) -> None:
        limit_memory(memory)
        torch.set_num_threads(1)
        address: Callable[[], str] = ray.util.get_node_ip_address
        self._name = f"{name} on {address()}" if node else name
        self._held: tuple[Context, Evaluator] | None = None

    def ready(self) -> str:
        """The name of the machine that it is on, once it can take work."""
        return socket.gethostname()

    def run(self, work: Work) -> Result:
        """Do one piece of work; only a dead process fails to answer."""
        try:
            evaluator = self._evaluator(work.context)
            if isinstance(work, Evaluate):
                return evaluator.evaluate(work, self._name)
            if isinstance(work, Prepare):
                return evaluator.prepare(work, self._name)
            return evaluator.write(work, self._name)
        except Exception as error:
            return Result(work.id, self._name, {}, f"{type(error).__name__}: {error}", 0.0, 0.0)

    def _evaluator(self, context: Context) -> Evaluator:
        # One context at a time: a second job's models must not add to the first one's memory.
        if self._held is None or self._held[0] != context:
            self._held = None
            self._held = (context, Evaluator(context))
        return self._held[1]
