"""Who may call what: the access that every route asks for.

A route that nobody thought of here still asks for a token: one that reads jobs if it reads, one
that writes them if it changes anything.
"""

from __future__ import annotations

from typing import Literal, get_args

Scope = Literal["jobs:read", "jobs:write", "export", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

Access = Scope | Literal["open", "signed in"]
"""What a caller needs: nothing, any token, or a token with a scope."""

READING = frozenset({"GET", "HEAD", "OPTIONS"})

_OPEN = {
    ("GET", "/v1/health"),
    ("GET", "/v1/ready"),
    ("POST", "/v1/session"),
    ("GET", "/login"),
    ("GET", "/static/{name}"),
    ("GET", "/static/plotly.min.js"),
}
# They answer to a body, and change nothing.
_ASKING = {("POST", "/v1/drafts"), ("POST", "/v1/jobs/validate")}
_SIGNED_IN = {("GET", "/v1/account"), ("DELETE", "/v1/session")}
_ADMIN = ("/v1/tokens", "/v1/audit", "/v1/quotas/")


def access_to(method: str, path: str) -> Access:
    """The access that a route asks for, by its method and its path template."""
    if (method, path) in _OPEN:
        return "open"
    if (method, path) in _SIGNED_IN:
        return "signed in"
    if path.startswith(_ADMIN):
        return "admin"
    if not changes(method, path):
        return "jobs:read"
    return "export" if "/exports" in path or path == "/v1/hub-credential" else "jobs:write"


def changes(method: str, path: str) -> bool:
    """Whether a route changes anything, and so belongs in the audit log."""
    return method not in READING and (method, path) not in _ASKING
