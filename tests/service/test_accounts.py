"""Tokens, sessions, rates and the audit log."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from service.account_tables import SignIn, Token
from service.accounts import repository as tokens
from service.app import create_app
from service.cli import app as commands
from service.errors import Refused
from service.rates import RateLimit
from service.server import serve
from service.settings import Settings
from service.tables import now
from tests.service.conftest import Spec
from tests.waiting import until


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    return create_app(settings.model_copy(update={"local": False, "request_rate": 0.0}))


@pytest.fixture
def root(app: FastAPI) -> dict[str, str]:
    with app.state.database.transaction() as session:
        _, secret = tokens.create(session, "root", ["admin"])
    return {"authorization": f"Bearer {secret}"}


def test_a_token_is_shown_once_and_kept_as_a_digest(
    app: FastAPI, api: TestClient, root: dict[str, str], settings: Settings
) -> None:
    asked = {"owner": "ann", "scopes": ["jobs:read"], "name": "laptop"}
    made = api.post("/v1/tokens", json=asked, headers=root).json()
    secret = made.pop("token")
    headers = {"authorization": f"Bearer {secret}"}
    assert api.get("/v1/account", headers=headers).json() == {
        "owner": "ann",
        "scopes": ["jobs:read"],
    }
    listed = api.get("/v1/tokens", headers=root).json()
    assert made["id"] in {one["id"] for one in listed}
    assert secret not in str(listed)
    stored = b"".join(path.read_bytes() for path in settings.data_dir.glob("cuvee.sqlite3*"))
    assert secret.encode() not in stored
    assert tokens.digest(secret).encode() in stored
    with app.state.database.snapshot() as session:
        assert session.get_one(Token, made["id"]).last_used_at is not None


def test_a_token_ends_when_it_is_revoked_or_expires(
    app: FastAPI, api: TestClient, root: dict[str, str]
) -> None:
    with app.state.database.transaction() as session:
        kept, first = tokens.create(session, "ann", ["jobs:read"])
        ended = now() - timedelta(seconds=1)
        _, second = tokens.create(session, "ann", ["jobs:read"], expires_at=ended)
    account = _account(api, first)
    assert account == 200
    assert _account(api, second) == 401
    assert api.delete(f"/v1/tokens/{kept.id}", headers=root).json()["revoked_at"]
    assert _account(api, first) == 401
    assert api.delete("/v1/tokens/none", headers=root).status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"owner": "a b"}, "body.owner"),
        ({"scopes": []}, "body.scopes"),
        ({"scopes": ["everything"]}, "body.scopes.0"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "body.expires_at"),
        ({"expires_at": "0001-01-01T00:00:00+23:00"}, "body.expires_at"),
        ({"secret": "mine"}, "body.secret"),
    ],
)
def test_a_wrong_token_is_refused_by_its_field(
    api: TestClient, root: dict[str, str], change: dict[str, object], field: str
) -> None:
    asked = {"owner": "ann", "scopes": ["jobs:read"]} | change
    answer = api.post("/v1/tokens", json=asked, headers=root)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


def test_a_session_reads_by_its_cookie_and_changes_only_from_its_own_pages(
    app: FastAPI, api: TestClient, spec: Spec
) -> None:
    with app.state.database.transaction() as session:
        token, secret = tokens.create(session, "ann", ["jobs:read", "jobs:write"])
    assert api.post("/v1/session", json={"token": "cuvee_wrong"}).status_code == 401
    began = api.post("/v1/session", json={"token": secret})
    assert began.status_code == 204
    cookie = began.headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=strict"))
    assert secret not in cookie
    page = api.get("/")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert api.post("/v1/jobs", json=spec).status_code == 403
    word = re.search(r'name="csrf-word" content="(\w+)"', page.text)
    assert word is not None
    proof = {"x-csrf-token": word[1]}
    assert api.post("/v1/jobs", json=spec, headers=proof).json()["owner"] == "ann"
    kept = dict(api.cookies)
    assert api.delete("/v1/session", headers=proof).status_code == 204
    assert api.get("/v1/account", cookies=None, headers=_cookie(kept)).status_code == 401
    again = dict(api.post("/v1/session", json={"token": secret}).cookies)
    with app.state.database.transaction() as session:
        tokens.revoke(session, token.id)
    assert api.get("/v1/account", headers=_cookie(again)).status_code == 401


def test_a_session_ends_by_itself(app: FastAPI, api: TestClient) -> None:
    with app.state.database.transaction() as session:
        _, secret = tokens.create(session, "ann", ["jobs:read"])
    cookies = dict(api.post("/v1/session", json={"token": secret}).cookies)
    assert api.get("/v1/account", headers=_cookie(cookies)).status_code == 200
    with app.state.database.transaction() as session:
        for one in session.query(SignIn):
            one.expires_at = now()
    assert api.get("/v1/account", headers=_cookie(cookies)).status_code == 401


def test_changes_are_in_the_audit_log_with_what_came_of_them(
    api: TestClient, root: dict[str, str]
) -> None:
    api.post("/v1/jobs", content=b"nothing", headers=root)
    api.delete("/v1/tokens/none", headers=root)
    api.get("/v1/jobs", headers=root)
    entries = api.get("/v1/audit", headers=root).json()
    assert [(one["action"], one["target"], one["status"]) for one in entries] == [
        ("DELETE /v1/tokens/{token_id}", "/v1/tokens/none", 404),
        ("POST /v1/jobs", "/v1/jobs", 422),
    ]
    older = api.get("/v1/audit", params={"before": entries[0]["id"]}, headers=root).json()
    assert older == entries[1:]


def test_a_stream_ends_with_its_token(app: FastAPI, api: TestClient) -> None:
    with app.state.database.transaction() as session:
        token, secret = tokens.create(session, "ann", ["jobs:read"])

    def is_in_use() -> bool:
        with app.state.database.snapshot() as session:
            return session.get_one(Token, token.id).last_used_at is not None

    with ThreadPoolExecutor() as pool:
        shown = {"authorization": f"Bearer {secret}"}
        stream = pool.submit(api.get, "/v1/events", headers=shown)
        until(is_in_use)
        assert not stream.done()
        with app.state.database.transaction() as session:
            tokens.revoke(session, token.id)
        assert stream.result(10).status_code == 200


def test_who_calls_too_often_has_to_wait(settings: Settings) -> None:
    limits = {"local": False, "request_rate": 0.1, "request_burst": 3}
    app = create_app(settings.model_copy(update=limits))
    with app.state.database.transaction() as session:
        _, one = tokens.create(session, "ann", ["jobs:read"])
        _, other = tokens.create(session, "ann", ["jobs:read"])
    with TestClient(app, base_url="http://127.0.0.1") as api:
        assert [_account(api, one) for _ in range(4)] == [200, 200, 200, 429]
        answer = api.get("/v1/account", headers={"authorization": f"Bearer {one}"})
        assert 1 <= int(answer.headers["retry-after"]) <= 10
        assert _account(api, other) == 200
        assert [_account(api, "cuvee_guess") for _ in range(4)] == [401, 401, 401, 429]


def test_a_bucket_empties_with_time() -> None:
    moment = 0.0
    limit = RateLimit(2.0, 3, clock=lambda: moment)
    assert [limit.take("a") for _ in range(4)] == [0, 0, 0, 0.5]
    moment = 0.5
    assert limit.take("a") == 0
    assert limit.take("a") == 0.5
    assert limit.take("b") == 0


def test_listening_beyond_loopback_takes_tokens_and_host_names(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, host="0.0.0.0", allowed_hosts=["cuvee.example"])
    for change, reason in (
        ({}, "no token yet"),
        ({"local": True}, "local mode"),
        ({"allowed_hosts": []}, "CUVEE_ALLOWED_HOSTS"),
    ):
        with pytest.raises(Refused, match=reason):
            serve(settings.model_copy(update=change), print)


def test_tokens_are_made_listed_and_revoked_on_the_command_line(tmp_path: Path) -> None:
    runner, data = CliRunner(), ["--data", str(tmp_path / "data")]
    made = runner.invoke(commands, ["token", "create", "ann", *data, "--days", "7"])
    assert made.exit_code == 0, made.output
    secret = made.output.strip()
    app = create_app(Settings(data_dir=tmp_path / "data", workers=0))
    with TestClient(app, base_url="http://127.0.0.1") as api:
        headers = {"authorization": f"Bearer {secret}"}
        scopes = api.get("/v1/account", headers=headers).json()["scopes"]
        assert scopes == ["export", "jobs:read", "jobs:write"]
        with app.state.database.snapshot() as session:
            (token,) = tokens.all_of(session)
        listed = runner.invoke(commands, ["token", "list", *data], env={"COLUMNS": "200"})
        assert token.id in listed.output
        assert secret not in listed.output
        assert runner.invoke(commands, ["token", "revoke", token.id, *data]).exit_code == 0
        assert _account(api, secret) == 401
    unknown = runner.invoke(commands, ["token", "revoke", "none", *data])
    assert unknown.exit_code == 1
    assert "there is no token" in unknown.output
    wrong = runner.invoke(commands, ["token", "create", "ann", *data, "--scope", "all"])
    assert wrong.exit_code == 1
    assert "scopes" in wrong.output


def _account(api: TestClient, secret: str) -> int:
    return api.get("/v1/account", headers={"authorization": f"Bearer {secret}"}).status_code


def _cookie(cookies: dict[str, str]) -> dict[str, str]:
    return {"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
