"""Errors of the service, and how they leave it: one JSON shape, RFC 9457's problem details.

ServiceError
├── SignInNeeded    303   a page needs a session first
├── Unauthorised    401   no token that works was shown
├── Forbidden       403   the token does not reach so far
├── NotFound        404   the job, trial or export does not exist
├── Conflict        409   the job's state does not allow it
├── Invalid         422   the request's content is wrong; every field is named
├── TooManyRequests 429   the caller has to wait, as Retry-After says
├── QuotaReached    429   the owner has as much as one may have
└── Refused         400   the service will not do this at all, such as listen beyond loopback
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from urllib.parse import urlencode

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from search.errors import FieldError
from service.database import DatabaseLost

log = structlog.get_logger(__name__)


class ServiceError(Exception):
    """Base of everything this room raises on purpose."""

    status = 500
    title = "Internal error"
    headers: Mapping[str, str] = MappingProxyType({})


class Unauthorised(ServiceError):
    """Nobody is known by what was shown."""

    status = 401
    title = "Unauthorised"
    headers = MappingProxyType({"WWW-Authenticate": "Bearer"})


class SignInNeeded(ServiceError):
    """A page was asked for by nobody who is known: the browser is sent to where one signs in."""

    status = 303
    title = "Sign in"

    def __init__(self, page: str) -> None:
        super().__init__("sign in first")
        # Relative, as a proxy may serve the service under a path of its own.
        root = "../" * (page.count("/") - 1) or "./"
        self.headers = {"Location": f"{root}login?{urlencode({'next': page})}"}


class Forbidden(ServiceError):
    """Somebody is known, and may not do this."""

    status = 403
    title = "Forbidden"


class NotFound(ServiceError):
    """Nothing has this name."""

    status = 404
    title = "Not found"


class Conflict(ServiceError):
    """The resource's state does not allow the request."""

    status = 409
    title = "Conflict"


class TooManyRequests(ServiceError):
    """The caller asks too often; `wait` is in seconds."""

    status = 429
    title = "Too many requests"

    def __init__(self, wait: float) -> None:
        super().__init__(f"too many requests; wait {wait:.1f} s")
        self.headers = {"Retry-After": str(math.ceil(wait))}


class QuotaReached(ServiceError):
    """An owner has as much of something as one may have; `quota` names it."""

    status = 429
    title = "Quota reached"

    def __init__(self, quota: str, limit: int, hint: str) -> None:
        super().__init__(f"the quota {quota} is {limit}, and reached; {hint}")


class Refused(ServiceError):
    """The service does not do this."""

    status = 400
    title = "Refused"


class Invalid(ServiceError):
    """The request's content is wrong; `errors` says where, field by field."""

    status = 422
    title = "Invalid"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(str(error) for error in errors))
        self.errors = tuple(errors)


class FieldProblem(BaseModel):
    """One field that is wrong, by its path in the document, and why."""

    field: str
    message: str


class Problem(BaseModel):
    """The body of every error (RFC 9457), with the fields at fault where there are any."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] = []


def install_handlers(app: FastAPI) -> None:
    """Answer every error, the framework's own included, with a Problem."""

    @app.exception_handler(ServiceError)
    def on_service_error(_request: Request, error: ServiceError) -> JSONResponse:
        fields = error.errors if isinstance(error, Invalid) else ()
        return problem(error.status, error.title, str(error), fields, error.headers)

    @app.exception_handler(RequestValidationError)
    def on_validation_error(_request: Request, error: RequestValidationError) -> JSONResponse:
        fields = [
            FieldError(".".join(str(part) for part in entry["loc"]), entry["msg"])
            for entry in error.errors()
        ]
        detail = "; ".join(str(field) for field in fields)
        return problem(422, Invalid.title, detail, fields)

    def on_lost_database(_request: Request, error: Exception) -> JSONResponse:
        log.warning("database_lost", reason=str(error))
        return problem(503, "Unavailable", "the database does not answer; try again")

    for kind in DatabaseLost:
        app.add_exception_handler(kind, on_lost_database)

    @app.exception_handler(Exception)
    def on_defect(_request: Request, _error: Exception) -> JSONResponse:
        # The framework logs it with its traceback; the client learns no more than that.
        return problem(500, ServiceError.title, "something went wrong inside the service")

    @app.exception_handler(HTTPException)
    def on_http_error(_request: Request, error: HTTPException) -> JSONResponse:
        return problem(error.status_code, error.detail, error.detail, headers=error.headers)


def problem(
    status: int,
    title: str,
    detail: str,
    fields: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """An error as the answer that says it."""
    body = Problem(
        title=title,
        status=status,
        detail=detail,
        errors=[FieldProblem(field=entry.field, message=entry.message) for entry in fields],
    )
    return JSONResponse(
        body.model_dump(), status, dict(headers or {}), media_type="application/problem+json"
    )
