"""The service on a port of this process, which a test can take away and bring back."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from service.app import create_app
from service.settings import Settings

_SECONDS = 20.0


class Site:
    """The real service without workers: what the controller would write, the test writes."""

    def __init__(self, data: Path, prefix: str = "", *, local: bool = True) -> None:
        self._settings = Settings(data_dir=data, workers=0, local=local)
        self._prefix = prefix
        self._port = 0
        # Streams of events that are open.
        self.streams = 0
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it answers; the same after a restart."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def database_url(self) -> str:
        """The database that it serves."""
        return self._settings.database_url

    def _counting(self, app: ASGIApp) -> ASGIApp:
        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                # As a proxy that serves under a path of its own hands requests on.
                assert scope["path"].startswith(self._prefix)
                scope = {**scope, "path": scope["path"].removeprefix(self._prefix)}
            is_stream = scope.get("path") == "/v1/events"
            self.streams += is_stream
            try:
                await app(scope, receive, send)
            finally:
                self.streams -= is_stream

        return counted

    def start(self) -> None:
        """Serve, and return once it answers."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self._port))
        self._port = listener.getsockname()[1]
        config = uvicorn.Config(
            self._counting(create_app(self._settings)),
            log_level="critical",
            timeout_graceful_shutdown=0,
        )
        server = uvicorn.Server(config)

        def serve() -> None:
            with listener:
                server.run(sockets=[listener])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        deadline = time.monotonic() + _SECONDS
        while not server.started:
            assert thread.is_alive(), "the service did not start"
            assert time.monotonic() < deadline, "the service took too long to start"
            time.sleep(0.01)
        self._server, self._thread = server, thread

    def stop(self) -> None:
        """Cut every connection and stop listening."""
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join(_SECONDS)
        assert not self._thread.is_alive(), "the service did not stop"
        self._server = self._thread = None
