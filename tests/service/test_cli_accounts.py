"""The commands for what owners keep at a service: webhooks, hub tokens, quotas, and its workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli import app
from service.client import Client
from service.credentials import repository as credentials
from service.database import Database
from service.jobs import repository as jobs
from service.leases import repository as leases
from service.sealing import new_key
from service.settings import Settings
from service.webhooks import repository as webhooks
from service.webhooks.schemas import WebhookRequest
from tests.browser.site import Site
from workers.interface import Occupation

Run = Callable[..., str]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("CUVEE_SECRET_KEY", new_key())
    monkeypatch.setenv("CUVEE_WEBHOOK_NETWORKS", '["127.0.0.0/8"]')
    site = Site(tmp_path / "data")
    site.start()
    yield site
    site.stop()


@pytest.fixture
def database(site: Site) -> Iterator[Database]:
    database = Database(site.database_url)
    yield database
    database.close()


@pytest.fixture
def run(site: Site) -> Run:
    runner = CliRunner(env={"COLUMNS": "200"})

    def command(*arguments: str, code: int = 0, typed: str | None = None) -> str:
        answer = runner.invoke(app, [*arguments, "--url", site.url], input=typed)
        assert answer.exit_code == code, answer.output
        return answer.output

    return command


def test_a_webhook_is_made_listed_retried_and_deleted(run: Run) -> None:
    kinds = ["--kind", "job.finished", "--kind", "job.failed"]
    webhook_id, secret = run("webhook", "create", "http://127.0.0.1:9/", *kinds).split()
    assert secret.startswith("whsec_")
    listed = run("webhook", "list")
    assert webhook_id in listed
    assert secret not in listed
    assert run("webhook", "retry", webhook_id) == "active\n"
    assert run("webhook", "delete", webhook_id) == "deleted\n"
    assert webhook_id not in run("webhook", "list")
    assert "there is no webhook" in run("webhook", "delete", webhook_id, code=1)
    assert "not public" in run("webhook", "create", "http://10.0.0.1/", code=1)
    assert "there is no such kind" in run(
        "webhook", "create", "http://127.0.0.1:9/", "--kind", "job.done", code=1
    )


def test_a_quota_is_told_at_once(run: Run, site: Site) -> None:
    asked = WebhookRequest(url="http://127.0.0.1:9/")
    with Client(site.url) as client:
        for _ in range(webhooks.MOST):
            client.create_webhook(asked)
    start = time.monotonic()
    refused = run("webhook", "create", asked.url, code=1)
    assert "the quota webhooks is 20, and reached; delete one" in refused
    # Sooner than a client gives up that was told to wait.
    assert time.monotonic() - start < 20


def test_a_hub_token_is_typed_or_in_a_file_and_never_shown(
    run: Run, database: Database, tmp_path: Path
) -> None:
    assert run("hub-token", "status") == "none\n"
    assert "hf_typed" not in run("hub-token", "set", typed="hf_typed\n")
    assert "set at 20" in run("hub-token", "status")
    file = tmp_path / "token"
    file.write_text("hf_in_a_file\n")
    run("hub-token", "set", "--file", str(file))
    with database.snapshot() as session:
        assert credentials.token_of(session, "local", Settings()) == "hf_in_a_file"
    assert run("hub-token", "delete") == "deleted\n"
    assert run("hub-token", "status") == "none\n"
    assert "body.token" in run("hub-token", "set", code=1, typed="two words")


def test_quotas_are_shown_and_set(run: Run) -> None:
    assert "none" in run("quota", "show")
    assert "5,000" in run("quota", "set", "ann", "--trials-per-day", "5000")
    assert "5,000" in run("quota", "show", "ann")
    assert "body" not in run("quota", "set", "ann")
    assert "5,000" not in run("quota", "show", "ann")


def test_workers_are_listed_with_what_they_do(run: Run, database: Database, site: Site) -> None:
    with database.transaction() as session:
        job_id = jobs.create(session, "busy", {}, {}).id
        busy = Occupation("worker-3", "node-1", f"{job_id}:trial/17:search", 1_700_000_000.5)
        idle = Occupation("worker-4", None)
        leases.report(session, "service", 2, 60.0, [busy, idle])
    listed = run("workers")
    assert all(word in listed for word in ("worker-3", "node-1", job_id, "trial/17:search"))
    assert "starting" in listed
    with Client(site.url) as client:
        (first, second) = client.workers()
    assert (first.trial, first.service, second.busy) == (17, "service", False)
