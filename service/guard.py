"""What keeps a service without tokens safe on loopback: no other host, no other site's page."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "::1")
MAX_BODY_BYTES = 1 << 20


class LoopbackGuard:
    """Refuses requests under another host name (DNS rebinding), from another site's page
    (cross-site request forgery), or with a body over `MAX_BODY_BYTES`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (reason := _refusal(Headers(scope=scope))):
            body = {"type": "about:blank", "title": "Refused", "status": 403, "detail": reason}
            answer = JSONResponse(body | {"errors": []}, 403, media_type="application/problem+json")
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _refusal(headers: Headers) -> str | None:
    host = headers.get("host", "")
    if _hostname(host) not in LOOPBACK:
        return f"the service answers on loopback only, not as {host!r}"
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2] != host:
        return f"requests from pages of {origin!r} are refused"
    length = headers.get("content-length", "0")
    if headers.get("transfer-encoding") or not length.isdecimal():
        return "a body needs a content-length"
    if int(length) > MAX_BODY_BYTES:
        return f"the body is over {MAX_BODY_BYTES} bytes"
    return None


def _hostname(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
