"""Tokens for callers."""

from __future__ import annotations

from fastapi import FastAPI

from service.accounts import repository as tokens
from service.accounts.policy import Scope


def bearer(app: FastAPI, owner: str, *scopes: Scope) -> dict[str, str]:
    """The headers of a caller with a fresh token of an owner's."""
    with app.state.database.transaction() as session:
        _, secret = tokens.create(session, owner, scopes)
    return {"authorization": f"Bearer {secret}"}
