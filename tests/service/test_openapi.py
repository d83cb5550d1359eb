"""Whatever the API's description allows, and what it does not: no 5xx, no answer left untold."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from pydantic import SecretStr
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance
from schemathesis.specs.openapi.schemas import OpenApiSchema

from service.accounts import repository as tokens
from service.app import create_app
from service.sealing import new_key
from service.settings import Settings
from tests.service.test_authorisation import ACCESS

# That a value is of the right shape does not make a search of it; and that every route asks for a
# token is tested elsewhere, with tokens that are given here to every request.
_LEFT_OUT = [positive_data_acceptance, ignored_auth]
# A stream of events never ends; and what is the dashboard's own is not described.
_OTHERS = re.compile(r"/v1/(events|drafts.*|jobs/.*/panels/.*)|(?!/v1/).*")
_DESCRIBED = [route for route in ACCESS if not _OTHERS.fullmatch(route[1])]

Described = tuple[OpenApiSchema, dict[str, str]]


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Described:
    data = tmp_path_factory.mktemp("described")
    given = Settings(data_dir=data, models_dir=models_dir, workers=0, request_rate=0.0)
    app = create_app(given.model_copy(update={"secret_key": SecretStr(new_key())}))
    with app.state.database.transaction() as session:
        _, secret = tokens.create(session, "root", ["admin"])
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, headers={"host": "localhost"})
    return schema, {"host": "localhost", "authorization": f"Bearer {secret}"}


@pytest.mark.parametrize("route", _DESCRIBED, ids=" ".join)
def test_every_answer_is_told(described: Described, route: tuple[str, str]) -> None:
    (schema, headers), (method, path) = described, route

    @given(case=schema[path][method].as_strategy())
    @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
    def check(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(headers=headers, excluded_checks=_LEFT_OUT)

    check()
