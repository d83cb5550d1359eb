"""What every request passes first: no other host, no other site's page, no huge body.

And what every answer leaves with: headers that keep a browser from doing more than it should.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import problem

LOOPBACK = ("127.0.0.1", "localhost", "::1")
MAX_BODY_BYTES = 1 << 20

_HEADERS = {
    # For answers that are no page; a page has a policy of its own.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class Guard:
    """Refuses requests for a host that is none of `hosts` (DNS rebinding), from another site's page
    (cross-site request forgery), or with a body over `MAX_BODY_BYTES`, before any of it is read."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(Headers(scope=scope)) if scope["type"] == "http" else None
        if refusal is not None:
            status, reason = refusal
            # What may follow of its body is not read either.
            closed = {"Connection": "close"}
            await problem(status, "Refused", reason, headers=closed)(scope, receive, sending)
            return
        await self._app(scope, receive, sending)

    def _refusal(self, headers: Headers) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if _hostname(host) not in self._hosts:
            return 403, f"the service does not answer as {host!r}"
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            return 403, f"requests from pages of {origin!r} are refused"
        length = headers.get("content-length", "0")
        if headers.get("transfer-encoding") or not length.isdecimal():
            return 411, "a body needs a content-length"
        # A number of many digits is not worth turning into one.
        if len(length) > 18 or int(length) > MAX_BODY_BYTES:
            return 413, f"the body is over {MAX_BODY_BYTES} bytes"
        return None


def _hostname(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
