"""Errors of the workers room.

WorkerError
└── NoWorkers   no worker can be started on the cluster
"""


class WorkerError(Exception):
    """Base of everything this room raises on purpose."""


class NoWorkers(WorkerError):
    """Workers die as often as they are started."""
