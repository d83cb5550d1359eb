"""Each owner's own token for the hub, sealed: one owner's is never used for another."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session

from service.account_tables import HubCredential
from service.database import Database
from service.exports.hub import hub_token
from service.sealing import Seal, seal_of
from service.settings import Settings
from service.tables import LOCAL_OWNER, now


def keep(session: Session, owner: str, token: str, seal: Seal) -> HubCredential:
    """Keep an owner's token, in place of an earlier one."""
    fresh = HubCredential(owner=owner, sealed=seal.close(token, _of(owner)), set_at=now())
    return session.merge(fresh)


def find(session: Session, owner: str) -> HubCredential | None:
    """An owner's token, sealed, if there is one."""
    return session.get(HubCredential, owner)


def forget(session: Session, owner: str) -> None:
    """Delete an owner's token; nothing happens where there is none."""
    if found := find(session, owner):
        session.delete(found)


def token_of(session: Session, owner: str, settings: Settings) -> str | None:
    """The token that an owner's requests to the hub are made with; None opens what is public.

    In local mode the owner is the operator, whose token the machine may have as well. Raises
    Refused where a token is kept and its key is not here.
    """
    found = find(session, owner)
    if found is not None:
        return seal_of(settings).open(found.sealed, _of(owner))
    return hub_token(settings) if settings.local and owner == LOCAL_OWNER else None


def asked_for(database: Database, owner: str, settings: Settings) -> Callable[[], str | None]:
    """`token_of`, for whoever may not need a token at all."""

    def token() -> str | None:
        with database.snapshot() as session:
            return token_of(session, owner, settings)

    return token


def _of(owner: str) -> str:
    return f"hub credential of {owner}"
