"""Hub credentials: written and never read, sealed, and each one its owner's alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr, ValidationError
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from service.account_tables import HubCredential
from service.app import create_app
from service.cli import app as commands
from service.credentials import repository as credentials
from service.sealing import Seal, Unsealable, new_key, seal_of
from service.settings import Settings
from tests.service.bearers import bearer
from tests.service.test_database import migration_config

TOKEN = "hf_annsVeryOwnToken"
KEY = new_key()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"secret_key": SecretStr(KEY)})


def _token_of(app: FastAPI, owner: str) -> str | None:
    with app.state.database.snapshot() as session:
        return credentials.token_of(session, owner, app.state.settings)


def test_a_credential_is_written_and_never_read(
    app: FastAPI, api: TestClient, settings: Settings
) -> None:
    ann = bearer(app, "ann", "jobs:read", "export")
    assert api.get("/v1/hub-credential", headers=ann).json() == {"present": False, "set_at": None}
    answers = [
        api.put("/v1/hub-credential", json={"token": TOKEN}, headers=ann),
        api.get("/v1/hub-credential", headers=ann),
    ]
    assert all(answer.json()["present"] for answer in answers)
    assert not any(TOKEN in answer.text for answer in answers)
    stored = b"".join(path.read_bytes() for path in settings.data_dir.glob("cuvee.sqlite3*"))
    assert TOKEN.encode() not in stored
    assert _token_of(app, "ann") == TOKEN
    api.put("/v1/hub-credential", json={"token": "hf_newer"}, headers=ann)
    assert _token_of(app, "ann") == "hf_newer"
    assert api.delete("/v1/hub-credential", headers=ann).status_code == 204
    assert _token_of(app, "ann") is None


def test_nobody_has_anothers_credential(
    app: FastAPI, api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_operators")
    ann = bearer(app, "ann", "export")
    api.put("/v1/hub-credential", json={"token": TOKEN}, headers=ann)
    root = bearer(app, "root", "admin")
    assert api.get("/v1/hub-credential", headers=root).json()["present"] is False
    assert _token_of(app, "root") is _token_of(app, "ben") is None
    # The operator's token is the operator's, which in local mode is whoever shows none.
    assert _token_of(app, "local") == "hf_operators"
    app.state.settings.local = False
    assert _token_of(app, "local") is None


def test_a_sealed_credential_opens_in_its_own_row_alone(app: FastAPI, api: TestClient) -> None:
    ann = bearer(app, "ann", "export")
    api.put("/v1/hub-credential", json={"token": TOKEN}, headers=ann)
    with app.state.database.transaction() as session:
        mine = session.get_one(HubCredential, "ann")
        session.add(HubCredential(owner="ben", sealed=mine.sealed, set_at=mine.set_at))
    with pytest.raises(Unsealable, match="something else"):
        _token_of(app, "ben")


def test_a_key_is_replaced_by_putting_the_new_one_first() -> None:
    newer = new_key()
    sealed = Seal(KEY).close("secret", "thing")
    assert Seal(f"{newer},{KEY}").open(sealed, "thing") == "secret"
    with pytest.raises(Unsealable, match="CUVEE_SECRET_KEY"):
        Seal(newer).open(sealed, "thing")


def test_a_key_comes_from_a_file_too_and_a_wrong_one_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    sealed = Seal(KEY).close("secret", "thing")
    assert seal_of(Settings(secret_key_file=file)).open(sealed, "thing") == "secret"
    with pytest.raises(ValidationError, match="cuvee key") as error:
        Settings(secret_key=SecretStr("not-a-key-but-secret"))
    assert "but-secret" not in str(error.value)
    assert KEY not in repr(Settings(secret_key=SecretStr(KEY)))


def test_without_a_key_no_credential_is_kept(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"secret_key": None}))
    with TestClient(app, base_url="http://127.0.0.1") as api:
        answer = api.put("/v1/hub-credential", json={"token": TOKEN})
        assert answer.status_code == 400
        assert "CUVEE_SECRET_KEY" in answer.json()["detail"]
        wrong = api.put("/v1/hub-credential", json={"token": "two words"})
        assert wrong.json()["errors"][0]["field"] == "body.token"
        assert "two words" not in wrong.text


def test_a_key_is_made_on_the_command_line() -> None:
    made = CliRunner().invoke(commands, ["key"])
    assert made.exit_code == 0
    assert Seal(made.output.strip()).open(Seal(made.output).close("a", "b"), "b") == "a"


def test_exports_from_before_belong_to_the_owners_of_their_jobs(database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.begin() as connection:
        config = migration_config(connection)
        command.upgrade(config, "0014")
        connection.execute(
            text(
                "INSERT INTO jobs (id, owner, name, spec, state, phase, model_digests, created_at,"
                " notes, version, priority)"
                " VALUES ('j', 'ann', 'old', '{}', 'finished', 'ended', '{}', '2026-01-01',"
                " '', 1, 10)"
            )
        )
        connection.execute(
            text(
                "INSERT INTO exports (id, job_id, trial, folder, public, dry_run, parents,"
                " warnings, uploaded, state, created_at)"
                " VALUES ('e', 'j', 0, '/x', false, false, '{}', '[]', 0, 'finished',"
                " '2026-01-01')"
            )
        )
        command.upgrade(config, "head")
        assert connection.execute(text("SELECT owner FROM exports")).scalar() == "ann"
    engine.dispose()
