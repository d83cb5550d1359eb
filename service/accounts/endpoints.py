"""`/v1/tokens`, `/v1/account`, `/v1/session`: tokens, who calls, and the dashboard's sessions."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from service.accounts import repository as tokens
from service.accounts import sessions
from service.accounts.authorisation import AccountDependency
from service.accounts.schemas import AccountView, NewToken, SignInRequest, TokenRequest, TokenView
from service.dependencies import DatabaseDependency
from service.errors import Problem, Unauthorised

router = APIRouter(prefix="/v1", tags=["accounts"])


@router.post("/tokens", status_code=201)
def create_token(body: TokenRequest, database: DatabaseDependency) -> NewToken:
    """Create a token. Its secret is in this answer and nowhere else."""
    with database.transaction() as session:
        token, secret = tokens.create(
            session, body.owner, body.scopes, name=body.name, expires_at=body.expires_at
        )
        return NewToken(**TokenView.model_validate(token).model_dump(), token=secret)


@router.get("/tokens")
def list_tokens(database: DatabaseDependency) -> list[TokenView]:
    """Every token, newest first, without secrets."""
    with database.snapshot() as session:
        return [TokenView.model_validate(token) for token in tokens.all_of(session)]


@router.delete("/tokens/{token_id}", responses={404: {"model": Problem}})
def revoke_token(token_id: str, database: DatabaseDependency) -> TokenView:
    """End a token and its sessions, for good."""
    with database.transaction() as session:
        return TokenView.model_validate(tokens.revoke(session, token_id))


@router.get("/account")
def get_account(account: AccountDependency) -> AccountView:
    """Whose token this is, and what it may do."""
    return AccountView(owner=account.owner, scopes=sorted(account.scopes))


@router.post("/session", status_code=204, responses={401: {"model": Problem}})
def sign_in(
    body: SignInRequest, request: Request, response: Response, database: DatabaseDependency
) -> None:
    """Begin a session of the dashboard: the answer sets its cookie."""
    with database.transaction() as session:
        token = tokens.find(session, body.token.get_secret_value())
        if token is None:
            raise Unauthorised("no token that works is this one")
        secret = sessions.begin(session, token)
    response.set_cookie(
        sessions.COOKIE,
        secret,
        max_age=int(sessions.LIFETIME.total_seconds()),
        httponly=True,
        secure=request.url.scheme == "https",
        samesite="strict",
    )


@router.delete("/session", status_code=204)
def sign_out(account: AccountDependency, response: Response, database: DatabaseDependency) -> None:
    """End the session that the cookie stands for."""
    if account.cookie is not None:
        with database.transaction() as session:
            sessions.end(session, account.cookie)
    response.delete_cookie(sessions.COOKIE)
