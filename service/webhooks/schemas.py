"""How a webhook is asked for, and how it leaves the API: with its secret only once."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.events.kinds import KINDS

_LIST = ", ".join(KINDS)


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"this is no address: {error}") from None
    if parts.scheme not in {"https", "http"} or not host:
        raise ValueError("an address begins with https:// or http:// and the name of a host")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ValueError("an address has no user, password or fragment here")
    return text


def _kind(text: str) -> str:
    if text not in KINDS:
        raise ValueError(f"there is no such kind; there are: {_LIST}")
    return text


class WebhookRequest(BaseModel):
    """A webhook to register."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, AfterValidator(_url)] = Field(
        pattern=r"^[!-~]+$",
        max_length=2000,
        description="Where events are sent; its host has a public address.",
        examples=["https://receiver.example/cuvee"],
    )
    kinds: list[Annotated[str, AfterValidator(_kind)]] = Field(
        default=[], max_length=len(KINDS), description=f"Default: all. There are: {_LIST}."
    )
    job_id: str | None = Field(
        default=None, max_length=32, description="Only this job's events; default: the owner's."
    )


class WebhookView(BaseModel):
    """A webhook, without its secret."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    owner: str
    job_id: str | None
    url: str
    kinds: list[str] = Field(description="Empty: all.")
    state: str = Field(description="active, or stopped after too many failures in a row")
    cursor: int = Field(description="All that it wants up to this event was delivered.")
    delivered: int = Field(description="How many events were.")
    failures: int = Field(description="How many attempts have failed since the last success.")
    next_at: datetime | None = Field(description="When it is tried again, after a failure.")
    last_at: datetime | None = Field(description="When an event was last sent.")
    last_status: int | None = Field(description="What the receiver answered then.")
    last_reason: str | None = Field(description="Why there was no answer.")
    created_at: datetime


class NewWebhook(WebhookView):
    """A webhook as it is told once."""

    secret: str = Field(description="It is shown here and never again.")
