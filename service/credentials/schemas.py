"""How an owner's hub credential is set, and what the API says of it: that there is one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr


def _printable(token: SecretStr) -> SecretStr:
    text = token.get_secret_value()
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError("a token is one word of ASCII characters")
    return token


class HubCredentialRequest(BaseModel):
    """An owner's token for the Hugging Face hub."""

    model_config = ConfigDict(extra="forbid")

    token: Annotated[SecretStr, AfterValidator(_printable)] = Field(min_length=1, max_length=200)


class HubCredentialView(BaseModel):
    """Whether the caller has a hub credential; what it is, nobody is told."""

    present: bool
    set_at: datetime | None
