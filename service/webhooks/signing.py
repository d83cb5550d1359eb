"""Signatures of deliveries, in the manner of the Standard Webhooks specification, version 1.

What is signed is the delivery's id, the time and the body, with dots between them, by HMAC-SHA256
under the webhook's secret. A receiver that checks the time too cannot be fooled by a delivery that
somebody has kept; one that remembers ids takes each event once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
_PREFIX = "whsec_"
_TOLERANCE_SECONDS = 300


class SignatureWrong(Exception):
    """The delivery is not from whoever holds the secret, or it is an old one."""


def new_secret() -> str:
    """A fresh secret of 256 bits."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def signed_headers(secret: str, delivery: str, at: int, body: bytes) -> dict[str, str]:
    """The headers that a delivery made at second `at` carries."""
    signature = f"v1,{_signature(secret, delivery, str(at), body)}"
    return {ID: delivery, TIMESTAMP: str(at), SIGNATURE: signature}


def verify(
    secret: str, headers: Mapping[str, str], body: bytes, *, now: float | None = None
) -> None:
    """Check a delivery as its receiver: its signature, and that it is no older than five minutes.

    `headers` have lower-case names. Raises SignatureWrong.
    """
    delivery, at = headers.get(ID, ""), headers.get(TIMESTAMP, "")
    right = f"v1,{_signature(secret, delivery, at, body)}".encode()
    given = headers.get(SIGNATURE, "").split()
    if not any(hmac.compare_digest(right, one.encode()) for one in given):
        raise SignatureWrong("the signature is not the secret's")
    if abs((time.time() if now is None else now) - float(at)) > _TOLERANCE_SECONDS:
        raise SignatureWrong("the delivery is not of the last five minutes")


def _signature(secret: str, delivery: str, at: str, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    said = b".".join((delivery.encode(), at.encode(), body))
    return base64.b64encode(hmac.digest(key, said, hashlib.sha256)).decode()
