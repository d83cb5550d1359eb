"""The API's description: what FastAPI writes, with every error that an answer may be."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from service.accounts.policy import access_to
from service.errors import FieldProblem, Problem

_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_EVERYWHERE = {
    "403": "For another host, from another site's page, or beyond what the token may do",
    "429": "Too many requests, with the seconds to wait in Retry-After; or a quota is reached",
}
_WITH_BODY = {
    "400": "A body that cannot be read, or what this service does not do",
    "411": "A body without a length",
    "413": "A body that is too large",
    "422": "A value that is wrong, by its field",
}


class Application(FastAPI):
    """FastAPI, but in its description errors are problems (RFC 9457), and all of them are told."""

    def openapi(self) -> dict[str, Any]:
        """The description, made once."""
        if self.openapi_schema is None:
            described = super().openapi()
            schemas = described["components"]["schemas"]
            schemas.pop("HTTPValidationError", None)
            schemas.pop("ValidationError", None)
            for model in (FieldProblem, Problem):
                schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
                schema.pop("$defs", None)
                schemas[model.__name__] = schema
            for path, operations in described["paths"].items():
                for method, operation in operations.items():
                    _tell_errors(operation, method.upper(), path)
        assert self.openapi_schema is not None
        return self.openapi_schema


def _tell_errors(operation: dict[str, Any], method: str, path: str) -> None:
    responses = operation["responses"]
    errors = dict(_EVERYWHERE)
    if access_to(method, path) == "open":
        operation.pop("security", None)
    else:
        errors["401"] = "Without a token that works"
    if "{job_id}" in path:
        errors["404"] = "There is no such job, or it is somebody else's"
    if "requestBody" in operation:
        errors |= _WITH_BODY
    for status, description in errors.items():
        responses.setdefault(status, {"description": description})
    for status, response in responses.items():
        if status >= "400":
            response["content"] = _PROBLEM
