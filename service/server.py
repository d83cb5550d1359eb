"""A running service: its socket, its workers, its app, until a signal ends it."""

from __future__ import annotations

import gc
import os
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import uvicorn

from service.accounts import repository as tokens
from service.app import create_app
from service.database import Database
from service.errors import Refused
from service.guard import LOOPBACK
from service.logs import configure
from service.settings import Settings
from workers.interface import MakeWorkers

_DESCRIPTORS = 1 << 16


@contextmanager
def ray_workers(settings: Settings) -> Iterator[MakeWorkers | None]:
    """Workers on the Ray cluster that the settings name, else on one of this process's own; None
    where the settings want no workers."""
    if not settings.workers:
        yield None
        return
    from workers.cluster import joined_cluster, local_cluster
    from workers.pool import Pool

    address = settings.ray_address
    with local_cluster(settings.workers) if address is None else joined_cluster(address):
        memory = settings.worker_memory_bytes
        yield partial(Pool, settings.workers, memory, nodes=address is not None)


def serve(
    settings: Settings,
    announce: Callable[[str], None],
    workers: Callable[[Settings], AbstractContextManager[MakeWorkers | None]] = ray_workers,
) -> None:
    """Serve until SIGINT or SIGTERM; `announce` gets the address as soon as it is bound.

    The address is also written to `address` in the data folder; of several services there, it is
    that of the last to start. Raises Refused for a host beyond loopback while there is no token or
    in local mode, and OSError when the port is taken.
    """
    if settings.host not in LOOPBACK:
        _check_reach(settings)
    configure(settings.log_format, settings.log_level)
    # The settings have it now: workers and compilers, which inherit the rest, need it not.
    os.environ.pop("CUVEE_SECRET_KEY", None)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    _allow_connections()
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        # Whoever calls as soon as the address is told waits, and is not refused.
        listener.listen()
        host = f"[{settings.host}]" if family == socket.AF_INET6 else settings.host
        address = f"http://{host}:{listener.getsockname()[1]}"
        with workers(settings) as make_workers:
            server = uvicorn.Server(
                uvicorn.Config(
                    create_app(settings, make_workers),
                    log_level="warning",
                    # Open event streams never end by themselves.
                    timeout_graceful_shutdown=1,
                )
            )
            _write_address(settings.data_dir / "address", address)
            announce(address)
            # What is there by now stays: to look through it for garbage after every few thousand
            # rows that a request reads takes longer than to read them.
            gc.freeze()
            server.run(sockets=[listener])


def _allow_connections() -> None:
    """Every client that follows the events keeps a file descriptor open; by default a process may
    have 1024, though the system would let it have more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _check_reach(settings: Settings) -> None:
    """Whether the service may listen beyond loopback. Raises Refused."""
    beyond = f"host: {settings.host!r} is beyond loopback"
    if settings.local:
        raise Refused(f"{beyond}, where local mode would let everybody in")
    if not settings.allowed_hosts:
        message = f"{beyond}: name the hosts that it is reached as in CUVEE_ALLOWED_HOSTS"
        raise Refused(message)
    if not _has_tokens(settings):
        raise Refused(f"{beyond}, and there is no token yet: `cuvee token create` makes one")


def _has_tokens(settings: Settings) -> bool:
    if not settings.data_dir.exists():
        return False
    database = Database(settings.database_url)
    database.migrate()
    with database.snapshot() as session:
        found = tokens.any_works(session)
    database.close()
    return found


def _write_address(path: Path, address: str) -> None:
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(address + "\n")
    fresh.replace(path)
