"""API tokens in the database: only their digests, so that nobody can read a token out of it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from service.account_tables import Token
from service.accounts.policy import Scope
from service.errors import NotFound
from service.tables import now

PREFIX = "cuvee_"
_STALE = timedelta(minutes=1)


def create(
    session: Session,
    owner: str,
    scopes: Sequence[Scope],
    *,
    name: str = "",
    expires_at: datetime | None = None,
) -> tuple[Token, str]:
    """A new token and its secret, which is told here and never again."""
    secret = PREFIX + secrets.token_urlsafe(32)
    token = Token(
        id=secrets.token_hex(8),
        owner=owner,
        name=name,
        # A secret of 256 random bits needs no slow hash: there is no list of them to try.
        digest=digest(secret),
        scopes=sorted(set(scopes)),
        created_at=now(),
        expires_at=expires_at,
    )
    session.add(token)
    session.flush()
    return token, secret


def find(session: Session, secret: str) -> Token | None:
    """The token of this secret, if it is one that works now."""
    query = select(Token).where(Token.digest == digest(secret))
    token = session.scalars(query).one_or_none()
    return token if token is not None and works(token) else None


def works(token: Token) -> bool:
    """Whether it is neither revoked nor expired."""
    return token.revoked_at is None and (token.expires_at is None or token.expires_at > now())


def working(session: Session, token_ids: Collection[str]) -> frozenset[str]:
    """Those of the tokens that work now."""
    found = session.scalars(select(Token).where(Token.id.in_(token_ids)))
    return frozenset(token.id for token in found if works(token))


def is_stale(token: Token) -> bool:
    """Whether its last use should be written down again: at most once a minute."""
    return token.last_used_at is None or now() - token.last_used_at > _STALE


def all_of(session: Session) -> Sequence[Token]:
    """Every token, newest first, those too that no longer work."""
    return session.scalars(select(Token).order_by(Token.created_at.desc(), Token.id)).all()


def any_works(session: Session) -> bool:
    """Whether there is a token that works now."""
    alive = or_(Token.expires_at.is_(None), Token.expires_at > now())
    query = select(Token.id).where(Token.revoked_at.is_(None), alive).limit(1)
    return session.scalars(query).first() is not None


def revoke(session: Session, token_id: str) -> Token:
    """End a token for good, and every session that began with it. Raises NotFound."""
    token = session.get(Token, token_id)
    if token is None:
        raise NotFound(f"there is no token {token_id!r}")
    if token.revoked_at is None:
        token.revoked_at = now()
    return token


def digest(secret: str) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()
