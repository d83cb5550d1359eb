"""Webhooks: registered, signed, sent in order, retried, and never sent into the private network."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr

from service.account_tables import Webhook
from service.app import create_app
from service.controller.holding import Holdings
from service.database import Database
from service.events import repository as events
from service.events.kinds import KINDS
from service.jobs import repository as jobs
from service.sealing import Seal, new_key
from service.settings import Settings
from service.tables import now
from service.webhooks import courier as couriers
from service.webhooks import posting
from service.webhooks import repository as webhooks
from service.webhooks.courier import Courier
from service.webhooks.signing import SignatureWrong
from tests.receiver import Receiver, receiving
from tests.service.conftest import Spec
from tests.service.exported import finished_job
from tests.waiting import until

KEY = new_key()
LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"secret_key": SecretStr(KEY), "webhook_networks": LOOPBACK})


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(couriers, "_POLL_SECONDS", 0.02)
    monkeypatch.setattr(webhooks, "FIRST_PAUSE", timedelta(seconds=0.01))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as listening:
        yield listening


@pytest.fixture
def courier(app: FastAPI) -> Iterator[Courier]:
    running = _courier(app)
    yield running
    _end(running)


def _courier(app: FastAPI) -> Courier:
    holdings = Holdings(app.state.database, workers=0, seconds=60.0)
    running = Courier(app.state.database, holdings, app.state.settings)
    running.start()
    return running


def _end(courier: Courier) -> None:
    courier.stop()
    courier.join()


def _register(api: TestClient, receiver: Receiver, **body: Any) -> dict[str, Any]:
    answer = api.post("/v1/webhooks", json={"url": f"{receiver.address}/hook"} | body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def _job(app: FastAPI, owner: str = "local") -> str:
    with app.state.database.transaction() as session:
        return jobs.create(session, "noted", {}, {}, owner=owner).id


def _note(app: FastAPI, job_id: str, kind: str = "job.phase", count: int = 1) -> int:
    with app.state.database.transaction() as session:
        for number in range(count):
            events.append(session, job_id, kind, {"number": number})
        return events.newest(session)


def _view(api: TestClient, webhook_id: str) -> dict[str, Any]:
    view: dict[str, Any] = api.get(f"/v1/webhooks/{webhook_id}").json()
    return view


@pytest.mark.usefixtures("courier")
def test_events_arrive_signed_and_in_order_from_registration_on(
    app: FastAPI, api: TestClient, spec: Spec, receiver: Receiver
) -> None:
    api.post("/v1/jobs", json=spec)
    made = _register(api, receiver)
    finished_job(app, api, spec)
    with app.state.database.snapshot() as session:
        wanted = events.after(session, made["cursor"])
    assert {event.kind for event in wanted} <= set(KINDS)
    until(lambda: _view(api, made["id"])["cursor"] == wanted[-1].id)
    assert receiver.cursors() == [event.id for event in wanted]
    first = receiver.deliveries[0]
    assert first.headers["webhook-id"] == f"{wanted[0].id}-{made['id']}"
    said = first.checked(made["secret"])
    assert said["type"] == "job.created"
    assert said["data"] == {"id": wanted[0].id, "job": wanted[0].job_id, "name": "tiny"}
    with pytest.raises(SignatureWrong, match="secret"):
        first.checked("whsec_bm90IGl0")
    view = _view(api, made["id"])
    assert (view["delivered"], view["last_status"], view["failures"]) == (len(wanted), 204, 0)
    assert "secret" not in view


@pytest.mark.usefixtures("courier")
def test_a_webhook_takes_the_kinds_and_the_job_that_it_names(
    app: FastAPI, api: TestClient, receiver: Receiver
) -> None:
    mine, other, stranger = _job(app), _job(app), _job(app, "ann")
    _register(api, receiver, job_id=mine, kinds=["job.phase"])
    _note(app, other)
    _note(app, stranger)
    _note(app, mine, "job.winner")
    last = _note(app, mine)
    until(lambda: len(receiver.deliveries) == 1)
    assert receiver.cursors() == [last]


@pytest.mark.usefixtures("courier")
def test_anothers_events_are_not_sent(app: FastAPI, api: TestClient, receiver: Receiver) -> None:
    made = _register(api, receiver)
    stranger, mine = _job(app, "ann"), _job(app)
    _note(app, stranger, count=600)
    # So far behind that it is moved on, without anything to send.
    until(lambda: _view(api, made["id"])["cursor"] >= 600)
    last = _note(app, mine)
    until(lambda: receiver.cursors()[-1:] == [last])
    assert len(receiver.deliveries) == 2


@pytest.mark.usefixtures("courier")
def test_what_is_not_taken_is_sent_again_before_what_comes_after(
    app: FastAPI, api: TestClient, receiver: Receiver
) -> None:
    receiver.answers = [500, 404, 302, 0]
    made = _register(api, receiver)
    last = _note(app, _job(app))
    seen = {}
    while (view := _view(api, made["id"]))["cursor"] < last:
        if view["failures"]:
            seen[view["failures"]] = (view["last_status"], view["last_reason"] is None)
    assert {*seen.values()} <= {(500, True), (404, True), (302, True), (None, False)}
    assert receiver.cursors() == [last - 1] * 5 + [last]
    assert len({one.headers["webhook-id"] for one in receiver.deliveries}) == 2


@pytest.mark.usefixtures("courier")
def test_who_says_nothing_keeps_nobody_else_waiting(
    app: FastAPI,
    api: TestClient,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(posting, "SECONDS", 0.5)
    receiver.answers = [1] * 100
    with receiving() as other:
        silent, quick = _register(api, receiver), _register(api, other)
        last = _note(app, _job(app))
        until(lambda: _view(api, quick["id"])["cursor"] == last)
    until(lambda: _view(api, silent["id"])["failures"] > 0)
    assert "0.5 s" in _view(api, silent["id"])["last_reason"]


def test_what_was_missed_while_nobody_sent_is_sent_by_the_next(
    app: FastAPI, api: TestClient, receiver: Receiver
) -> None:
    made = _register(api, receiver)
    first = _courier(app)
    job_id = _job(app)
    until(lambda: _view(api, made["id"])["delivered"] == 1)
    _end(first)
    last = _note(app, job_id, count=3)
    second, third = _courier(app), _courier(app)
    until(lambda: _view(api, made["id"])["cursor"] == last)
    _end(second)
    _end(third)
    assert receiver.cursors() == list(range(last - 3, last + 1))


@pytest.mark.usefixtures("courier")
def test_a_webhook_stops_after_many_failures_and_goes_on_when_it_is_told_to(
    app: FastAPI, api: TestClient, receiver: Receiver
) -> None:
    made = _register(api, receiver)
    with app.state.database.transaction() as session:
        session.get_one(Webhook, made["id"]).failures = webhooks.ATTEMPTS - 1
    receiver.answers = [503]
    last = _note(app, _job(app))
    until(lambda: _view(api, made["id"])["state"] == "stopped")
    assert api.post(f"/v1/webhooks/{made['id']}/retry").json()["state"] == "active"
    until(lambda: _view(api, made["id"])["cursor"] == last)
    assert receiver.cursors() == [last - 1, last - 1, last]


def test_every_kind_of_event_can_be_asked_for_and_is_on_the_page() -> None:
    root = Path(__file__).parents[2]
    page = (root / "docs" / "webhooks.md").read_text().partition("## Kinds")[2]
    assert sorted(re.findall(r"`([a-z]+\.[a-z]+)`", page.partition("## ")[0])) == sorted(KINDS)
    script = (root / "service/dashboard/static/event_kinds.js").read_text()
    assert sorted(re.findall(r'"([a-z]+\.[a-z]+)"', script)) == sorted(KINDS)
    source = "".join(path.read_text() for path in sorted((root / "service").rglob("*.py")))
    sent = set(re.findall(r'append\(\s*session,[^")]*"([a-z]+\.[a-z]+)"', source))
    assert len(sent) > 12
    assert sent <= set(KINDS)


def test_pauses_double_up_to_an_hour_over_three_days(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "FIRST_PAUSE", timedelta(seconds=1))
    pauses = [webhooks.pause_after(count) for count in range(1, webhooks.ATTEMPTS)]
    assert pauses[:4] == [timedelta(seconds=count) for count in (1, 2, 4, 8)]
    assert pauses[-1] == timedelta(hours=1)
    assert timedelta(days=2.5) < sum(pauses, timedelta()) < timedelta(days=3.5)


@pytest.mark.usefixtures("courier")
def test_a_deleted_webhook_is_sent_nothing_more(
    app: FastAPI, api: TestClient, receiver: Receiver
) -> None:
    gone, kept = _register(api, receiver), _register(api, receiver)
    assert api.delete(f"/v1/webhooks/{gone['id']}").status_code == 204
    assert api.get(f"/v1/webhooks/{gone['id']}").status_code == 404
    assert [one["id"] for one in api.get("/v1/webhooks").json()] == [kept["id"]]
    _job(app)
    until(lambda: _view(api, kept["id"])["delivered"] == 1)
    assert len(receiver.deliveries) == 1


def test_the_secret_is_kept_sealed_and_another_key_does_not_open_it(
    app: FastAPI, api: TestClient, receiver: Receiver, settings: Settings
) -> None:
    made = _register(api, receiver)
    stored = b"".join(path.read_bytes() for path in settings.data_dir.glob("cuvee.sqlite3*"))
    assert made["secret"].encode() not in stored
    with app.state.database.snapshot() as session:
        sealed = session.get_one(Webhook, made["id"]).secret
    assert Seal(KEY).open(sealed, webhooks.secret_of(made["id"])) == made["secret"]
    lost = settings.model_copy(update={"secret_key": SecretStr(new_key())})
    other = create_app(lost)
    running = _courier(other)
    _job(app)
    until(lambda: _view(api, made["id"])["failures"] >= 1)
    _end(running)
    assert "CUVEE_SECRET_KEY" in _view(api, made["id"])["last_reason"]
    assert receiver.deliveries == []


def test_without_a_key_no_webhook_is_registered(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"secret_key": None}))
    with TestClient(app, base_url="http://127.0.0.1") as api:
        answer = api.post("/v1/webhooks", json={"url": "https://receiver.example"})
    assert answer.status_code == 400
    assert "CUVEE_SECRET_KEY" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"url": "ftp://receiver.example"}, "body.url", "https://"),
        ({"url": "https://"}, "body.url", "host"),
        ({"url": "https://ann:secret@receiver.example"}, "body.url", "password"),
        ({"url": "https://[::1"}, "body.url", "no address"),
        ({"url": "https://10.0.0.1/"}, "body.url", "not public"),
        ({"url": "https://receiver.invalid/"}, "body.url", "no address"),
        ({"kinds": ["job.done"]}, "body.kinds.0", "job.finished"),
        ({"job_id": "nobody"}, "body.job_id", "there is no job"),
        ({"secret": "mine"}, "body.secret", "not permitted"),
    ],
)
def test_a_wrong_webhook_is_refused_by_its_field(
    api: TestClient, change: dict[str, Any], field: str, reason: str
) -> None:
    answer = api.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/"} | change)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["field"] == field
    assert reason in error["message"]


def test_an_owner_has_so_many_webhooks(api: TestClient, receiver: Receiver) -> None:
    for _ in range(webhooks.MOST):
        _register(api, receiver)
    answer = api.post("/v1/webhooks", json={"url": receiver.address})
    assert answer.status_code == 429
    assert "webhooks" in answer.json()["detail"]
    assert "retry-after" not in answer.headers


def test_a_failed_webhook_waits_for_its_time(
    app: FastAPI, api: TestClient, receiver: Receiver
) -> None:
    made = _register(api, receiver)
    _job(app)
    with app.state.database.transaction() as session:
        assert webhooks.due(session) == [made["id"]]
        session.get_one(Webhook, made["id"]).next_at = now() + timedelta(seconds=1)
        assert webhooks.due(session) == []


def test_both_databases_know_what_a_webhook_was_not_sent(database_url: str) -> None:
    database = Database(database_url)
    database.migrate()
    with database.transaction() as session:
        job_id = jobs.create(session, "first", {}, {}, owner="ann").id
        made = webhooks.create(
            session, "ann", "https://a.example", webhook_id="w", seal="", kinds=["job.phase"]
        )
        assert webhooks.due(session) == []
        events.append(session, job_id, "job.winner", {})
        events.append(session, job_id, "job.phase", {"phase": "search"})
    with database.transaction() as session:
        assert webhooks.due(session) == ["w"]
        event = webhooks.next_event(session, made)
        assert event is not None
        assert event.data == {"phase": "search"}
        webhooks.record(session, "w", event.id, posting.Answer(None, "half a \ud83d, a \0"))
        assert webhooks.due(session) == []
        webhooks.record(session, "w", event.id, posting.Answer(204))
    with database.snapshot() as session:
        (found,) = webhooks.all_of(session, "ann")
        assert (found.cursor, found.delivered, found.failures) == (3, 1, 0)
        assert webhooks.next_event(session, found) is None
    database.close()
