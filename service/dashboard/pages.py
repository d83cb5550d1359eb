"""Pages out of templates, under a content security policy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.templating import Jinja2Templates

from service.accounts.authorisation import Account
from service.accounts.sessions import csrf_word
from service.dashboard.assets import modules

# Plotly writes style elements and draws images from data; nothing else departs from 'self'.
_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
_HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in _POLICY.items()),
    # A page from the cache would follow from a cursor of long ago.
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_TEMPLATES = Jinja2Templates(directory=Path(__file__).parent / "templates")
_TEMPLATES.env.globals["modules"] = modules


def render(
    request: Request, template: str, values: Mapping[str, Any], status: int = 200
) -> Response:
    """The page of a template, every value escaped.

    `root` leads from the page's address back to the service's: links that begin with it hold under
    whatever path a proxy serves the service. In a session the page has its word.
    """
    account: Account | None = getattr(request.state, "account", None)
    word = csrf_word(account.cookie) if account and account.cookie else ""
    depth = request.scope["route"].path.count("/") - 1
    values = {**values, "root": "../" * depth or "./", "csrf_word": word}
    return _TEMPLATES.TemplateResponse(
        request, template, values, status_code=status, headers=_HEADERS
    )
