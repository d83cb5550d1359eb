"""A running service: its socket, its Ray, its app, until a signal ends it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import structlog
import uvicorn
from filelock import FileLock, Timeout

from service.app import create_app
from service.errors import Refused
from service.guard import LOOPBACK
from service.settings import Settings

log = structlog.get_logger(__name__)


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `announce` gets the address as soon as it is bound.

    The address is also written to `address` in the data folder. Raises Refused for a host beyond
    loopback and for a data folder that is served already, and OSError when the port is taken.
    """
    if settings.host not in LOOPBACK:
        raise Refused(f"host: {settings.host!r} is beyond loopback; Cuvee listens on loopback only")
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    lock = FileLock(settings.data_dir / "served.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        message = f"data folder: {settings.data_dir} is served by another process"
        raise Refused(message) from error
    with lock:
        _serve(settings, announce)


def _serve(settings: Settings, announce: Callable[[str], None]) -> None:
    from workers.cluster import local_cluster

    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        host = f"[{settings.host}]" if family == socket.AF_INET6 else settings.host
        address = f"http://{host}:{listener.getsockname()[1]}"
        with local_cluster(settings.workers) if settings.workers else nullcontext():
            server = uvicorn.Server(
                uvicorn.Config(
                    create_app(settings),
                    log_level="warning",
                    # Open event streams never end by themselves.
                    timeout_graceful_shutdown=1,
                )
            )
            _write_address(settings.data_dir / "address", address)
            announce(address)
            server.run(sockets=[listener])


def _write_address(path: Path, address: str) -> None:
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(address + "\n")
    fresh.replace(path)
