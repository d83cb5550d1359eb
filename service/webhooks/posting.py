"""One delivery over HTTP: what is sent, and what came of it."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import httpcore
import httpx

from service.tables import Event
from service.webhooks.addresses import AddressRefused, CheckedConnections, Network
from service.webhooks.signing import signed_headers

SECONDS = 10.0
"""How long a receiver may take to answer."""


@dataclass(frozen=True)
class Answer:
    """A receiver's status, or the reason why there is none."""

    status: int | None
    reason: str | None = None

    @property
    def taken(self) -> bool:
        """Whether the receiver has the event now: any status of success says so."""
        return self.status is not None and 200 <= self.status < 300


def body_of(event: Event) -> bytes:
    """What a delivery says of an event: the same as the stream of events does."""
    data = {"id": event.id, "job": event.job_id, **event.data}
    said = {"type": event.kind, "timestamp": event.created_at.isoformat(), "data": data}
    return json.dumps(said, ensure_ascii=False, allow_nan=False).encode()


async def post(
    url: str, secret: str, delivery: str, body: bytes, networks: Sequence[Network]
) -> Answer:
    """Send a body, signed. No redirect is followed, and of the answer only its status is read."""
    headers = {
        "content-type": "application/json",
        "user-agent": "cuvee",
        **signed_headers(secret, delivery, int(time.time()), body),
    }
    try:
        async with (
            asyncio.timeout(SECONDS),
            httpcore.AsyncConnectionPool(
                ssl_context=_tls(), network_backend=CheckedConnections(networks)
            ) as pool,
            pool.stream("POST", url, headers=[*headers.items()], content=body) as answer,
        ):
            return Answer(answer.status)
    except AddressRefused as error:
        return Answer(None, str(error))
    except TimeoutError:
        return Answer(None, f"no answer within {SECONDS:g} s")
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        return Answer(None, f"{type(error).__name__}: {error}")


@cache
def _tls() -> ssl.SSLContext:
    """Who is trusted: the authorities that httpx brings, or those of SSL_CERT_FILE."""
    return httpx.create_ssl_context()
