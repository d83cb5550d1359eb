"""A way to PostgreSQL over TCP on loopback that cuts connections when they commit."""

from __future__ import annotations

import itertools
import random
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

_CHUNK = 1 << 16
# A commit as the driver sends it, a simple query, and what the server answers once it has done it.
_ASKED = _DONE = b"COMMIT\0"

Cut = Literal["before", "after"]


class CuttingProxy:
    """Carries bytes to the server's socket and back until `close` is called.

    While `gaps` are set, every so many commits, a number drawn from them, one loses its connection:
    in turn before the server has seen it, and once it is done and before the answer is through. The
    client sees the same of both. `cuts` counts them.
    """

    def __init__(self, server: Path, seed: int) -> None:
        self.gaps: range | None = None
        self.cuts: Counter[Cut] = Counter()
        self._server = server
        self._draws = random.Random(seed)
        self._turns: Iterator[Cut] = itertools.cycle(("before", "after"))
        self._left = 0
        self._guard = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def close(self) -> None:
        """Take no more connections, and end those that there are."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        with self._guard:
            left = [*self._open]
        for one in left:
            _end(one)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        number: int = self._listener.getsockname()[1]
        return number

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self._server))
                with self._guard:
                    self._open |= {client, server}
                _Line(self, client, server).start()

    def drawn(self) -> Cut | None:
        """Whether, and when, to cut the connection of the commit that passes now."""
        with self._guard:
            self._left -= 1
            if self.gaps is None or self._left > 0:
                return None
            self._left = self._draws.choice(self.gaps)
            cut = next(self._turns)
            self.cuts[cut] += 1
            return cut

    def closed(self, client: socket.socket, server: socket.socket) -> None:
        """The connection is no more."""
        with self._guard:
            self._open -= {client, server}


class _Line:
    """One connection, with a thread for each direction."""

    def __init__(self, proxy: CuttingProxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._dropping = threading.Event()
        self._to_client = threading.Thread(target=self._answer, daemon=True)

    def start(self) -> None:
        self._to_client.start()
        threading.Thread(target=self._ask, daemon=True).start()

    def _ask(self) -> None:
        with suppress(OSError):
            while data := self._client.recv(_CHUNK):
                cut = self._proxy.drawn() if _ASKED in data else None
                if cut == "before":
                    break
                if cut == "after":
                    self._dropping.set()
                self._server.sendall(data)
        if not self._dropping.is_set():
            _end(self._server)
        self._to_client.join()
        self._client.close()
        self._server.close()
        self._proxy.closed(self._client, self._server)

    def _answer(self) -> None:
        with suppress(OSError):
            while data := self._server.recv(_CHUNK):
                if self._dropping.is_set() and _DONE in data:
                    break
                self._client.sendall(data)
        _end(self._server)
        _end(self._client)


def _end(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
