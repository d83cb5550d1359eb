"""A receiver of webhooks on loopback, which remembers what it was sent."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from service.webhooks.signing import verify


@dataclass(frozen=True)
class Delivery:
    """A request that came: its headers, by lower-case names, and its body."""

    headers: dict[str, str]
    body: bytes

    def checked(self, secret: str) -> dict[str, Any]:
        """What it says, if its signature is the secret's."""
        verify(secret, self.headers, self.body)
        said: dict[str, Any] = json.loads(self.body)
        return said


@dataclass
class Receiver:
    """Answers with the statuses in `answers`, one after another, then with 204; a status of 0 hangs
    up, and one of 1 says nothing until the test is over."""

    address: str
    answers: list[int] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def cursors(self) -> list[int]:
        """The events that came, in the order in which they did."""
        return [json.loads(one.body)["data"]["id"] for one in self.deliveries]


@contextmanager
def receiving(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver that listens on a free port, over TLS if there is a context for it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.deliveries.append(Delivery(headers, body))
            status = receiver.answers.pop(0) if receiver.answers else 204
            if status == 1:
                receiver.over.wait()
            if status < 100:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("location", f"{receiver.address}/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        receiver = Receiver(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield receiver
        finally:
            receiver.over.set()
            server.shutdown()
            thread.join()
