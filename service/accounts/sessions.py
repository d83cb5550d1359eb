"""Sessions of the dashboard: a cookie that stands for a token, and a word against forged requests.

The cookie is out of a script's reach, and another site's page cannot make a browser send it
(`SameSite=Strict`). A request that changes anything needs the session's second secret too, in a
header: it is in the service's own pages alone, so nobody else's page can forge such a request.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from service.account_tables import SignIn, Token
from service.accounts.repository import digest, works
from service.tables import now

COOKIE = "cuvee_session"
CSRF_HEADER = "x-csrf-token"
LIFETIME = timedelta(hours=12)


def begin(session: Session, token: Token) -> str:
    """A new session of a token; the secret for the cookie. Expired ones are forgotten."""
    session.execute(delete(SignIn).where(SignIn.expires_at <= now()))
    secret = secrets.token_urlsafe(32)
    session.add(SignIn(digest=digest(secret), token_id=token.id, expires_at=now() + LIFETIME))
    return secret


def find(session: Session, secret: str) -> Token | None:
    """The token that a session stands for, while both last."""
    found = session.get(SignIn, digest(secret))
    if found is None or found.expires_at <= now():
        return None
    token = session.get_one(Token, found.token_id)
    return token if works(token) else None


def end(session: Session, secret: str) -> None:
    """Forget a session."""
    session.execute(delete(SignIn).where(SignIn.digest == digest(secret)))


def csrf_word(secret: str) -> str:
    """The word that requests of a session's own pages carry; it does not tell the secret."""
    return hmac.new(secret.encode(), b"cuvee csrf", hashlib.sha256).hexdigest()


def is_csrf_word(secret: str, word: str) -> bool:
    """Whether it is the session's word, compared in constant time."""
    return hmac.compare_digest(csrf_word(secret).encode(), word.encode())
