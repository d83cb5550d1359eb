"""Who calls, and whether they may: asked of every request, before its route does anything.

A caller shows a token, or the cookie of a session that began with one. In local mode a caller who
shows neither is the owner `local`, who may do everything; local mode listens on loopback only.
What belongs to somebody else is answered as what does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.orm import Session

from service.account_tables import Token
from service.accounts import repository as tokens
from service.accounts import sessions
from service.accounts.policy import READING, SCOPES, Access, Scope, access_to, changes
from service.audit import repository as audit
from service.database import Database
from service.dependencies import DatabaseDependency, SettingsDependency
from service.errors import Forbidden, NotFound, SignInNeeded, TooManyRequests, Unauthorised
from service.jobs import repository as jobs
from service.rates import RateLimit
from service.tables import LOCAL_OWNER, Job, now

_BEARER = HTTPBearer(auto_error=False, description="A token of `cuvee token create`.")


@dataclass(frozen=True)
class Account:
    """Whoever calls: an owner of jobs, by a token or by the local mode."""

    owner: str
    scopes: frozenset[Scope]
    token_id: str | None = None
    cookie: str | None = None

    def may(self, access: Access) -> bool:
        """Whether a route that asks for this access lets the caller in."""
        return access in {"open", "signed in"} or bool(self.scopes & {access, "admin"})

    def sees(self, owner: str) -> bool:
        """Whether what belongs to `owner` exists for the caller."""
        return owner == self.owner or "admin" in self.scopes

    @property
    def only(self) -> str | None:
        """The owner whose jobs lists are limited to; None for an administrator."""
        return None if "admin" in self.scopes else self.owner


LOCAL = Account(LOCAL_OWNER, frozenset(SCOPES))


def authorise(
    request: Request,
    database: DatabaseDependency,
    settings: SettingsDependency,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
) -> None:
    """Let the request pass, and write down who made it, or raise.

    Raises Unauthorised without a token that works, Forbidden where it lacks the scope or the
    session's word, NotFound for another owner's job, and TooManyRequests.
    """
    route = cast(APIRoute, request.scope["route"])
    access = access_to(request.method, route.path)
    rates: RateLimit = request.app.state.rates
    if access == "open":
        _pass(rates, _address(request))
        return
    with database.snapshot() as session:
        token, cookie = _shown(session, request, bearer)
        nothing = cookie is None and "authorization" not in request.headers
        if token is None and not (settings.local and nothing):
            # Guesses are counted by address, as there is nobody to count them for.
            _pass(rates, _address(request))
            if not route.path.startswith("/v1/"):
                raise SignInNeeded(request.url.path)
            raise Unauthorised("show a token that works: Authorization: Bearer cuvee_...")
        account = LOCAL if token is None else _account(token, cookie)
        _check(session, account, access, request)
    if account.token_id is not None:
        _pass(rates, account.token_id)
    request.state.account = account
    _write_down(database, request, route, account, token)


def owned(session: Session, account: Account, job_id: str) -> Job:
    """A job of the caller's. Raises NotFound."""
    job = jobs.get(session, job_id)
    if not account.sees(job.owner):
        raise NotFound(f"there is no job {job_id!r}")
    return job


def _account_of(request: Request) -> Account:
    account: Account = request.state.account
    return account


AccountDependency = Annotated[Account, Depends(_account_of)]


def _shown(
    session: Session, request: Request, bearer: HTTPAuthorizationCredentials | None
) -> tuple[Token | None, str | None]:
    """The token that the request shows, and the cookie if that is where it comes from."""
    if bearer is not None:
        return tokens.find(session, bearer.credentials), None
    cookie = request.cookies.get(sessions.COOKIE)
    return (None, None) if cookie is None else (sessions.find(session, cookie), cookie)


def _account(token: Token, cookie: str | None) -> Account:
    return Account(token.owner, frozenset(cast(Iterable[Scope], token.scopes)), token.id, cookie)


def _check(session: Session, account: Account, access: Access, request: Request) -> None:
    if not account.may(access):
        raise Forbidden(f"the token lacks the scope {access}")
    if account.cookie is not None and request.method not in READING:
        word = request.headers.get(sessions.CSRF_HEADER, "")
        if not sessions.is_csrf_word(account.cookie, word):
            raise Forbidden(f"the header {sessions.CSRF_HEADER} is not the session's")
    job_id = request.path_params.get("job_id")
    if job_id is not None and (job := session.get(Job, job_id)) and not account.sees(job.owner):
        raise NotFound(f"there is no job {job_id!r}")


def _write_down(
    database: Database, request: Request, route: APIRoute, account: Account, token: Token | None
) -> None:
    changed = changes(request.method, route.path)
    if not changed and (token is None or not tokens.is_stale(token)):
        return
    entry = None
    with database.transaction() as session:
        if token is not None:
            session.get_one(Token, token.id).last_used_at = now()
        if changed:
            action = f"{request.method} {route.path}"
            entry = audit.append(session, account.owner, account.token_id, action, request.url.path)
    # Only now is it known to be there, for the answer's status to be added to.
    request.state.audit_entry = entry


def _pass(rates: RateLimit, caller: str) -> None:
    if wait := rates.take(caller):
        raise TooManyRequests(wait)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
