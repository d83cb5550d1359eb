"""How a token is asked for, and how tokens and accounts leave the API: never with the secret."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

from service.accounts.policy import Scope
from service.tables import now

OwnerName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,99}$", description="Whose jobs it is for.")
]


def _ahead(moment: datetime) -> datetime:
    try:
        moment = moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the moment is out of range") from error
    if moment <= now():
        raise ValueError("the moment is past")
    return moment


class TokenRequest(BaseModel):
    """A token to create."""

    model_config = ConfigDict(extra="forbid")

    owner: OwnerName
    scopes: list[Scope] = Field(min_length=1, max_length=4)
    name: str = Field(default="", max_length=100, description="What it is for.")
    expires_at: Annotated[AwareDatetime, AfterValidator(_ahead)] | None = Field(
        default=None, description="When it ends by itself; default: never."
    )


class TokenView(BaseModel):
    """A token, without its secret."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    owner: str
    name: str
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")
    revoked_at: datetime | None


class NewToken(TokenView):
    """A token as it is told once."""

    token: str = Field(description="The secret; it is shown here and never again.")


class AccountView(BaseModel):
    """Who calls."""

    owner: str
    scopes: list[Scope]


class SignInRequest(BaseModel):
    """A token to begin a session of the dashboard with."""

    model_config = ConfigDict(extra="forbid")

    token: SecretStr = Field(max_length=200)
