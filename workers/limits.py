"""What a worker's process may take of its machine."""

from __future__ import annotations

import resource


def limit_memory(size: int | None) -> None:
    """Let this process have at most so many bytes of memory of its own; None for no limit.

    What it maps from files, such as the weights of parents, does not count. Where the limit is
    reached an allocation fails, with MemoryError or torch's RuntimeError, and the process lives.
    """
    if size is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))
