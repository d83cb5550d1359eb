"""Who gets the next free worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def deal(
    free: Callable[[], int], order: Callable[[], Sequence[str]], give: Callable[[str], bool]
) -> None:
    """Give work to workers while there are `free` ones and jobs that have some.

    `order` says whose turn it is, anew after every piece; `give` hands out one piece of a job's
    work, and says whether there was one.
    """
    idle: set[str] = set()
    while free():
        job = next((job for job in order() if job not in idle), None)
        if job is None:
            return
        if not give(job):
            idle.add(job)
