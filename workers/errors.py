"""Errors of the workers room.

WorkerError
└── PoolClosed   work was offered to a pool that is shutting down
"""


class WorkerError(Exception):
    """Base of everything this room raises on purpose."""


class PoolClosed(WorkerError):
    """The pool is closed and takes no more work."""
