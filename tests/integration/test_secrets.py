"""Canaries: secrets of every kind go in, and none of them comes out, whatever the service does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from service.accounts.repository import digest
from service.accounts.sessions import COOKIE
from service.jobs.repository import ENDED
from service.sealing import new_key
from service.tables import Base
from tests.faults.conftest import opened, search, submit_again
from tests.hub_server import hub_server
from tests.hub_state import Hub
from tests.receiver import Receiver, receiving
from tests.running import REPOSITORY, RunningService
from tests.tiny import write_llama
from tests.waiting import until

# What the tests make up; the rest are the service's own.
HUB_CREDENTIAL = "hf_canaryOfTheOwner"
OPERATORS_TOKEN = "hf_canaryOfTheOperator"


class Caller:
    """Calls the service, and keeps all that it answers."""

    def __init__(self, service: RunningService) -> None:
        self._service = service
        self.heard: list[bytes] = []

    def __call__(
        self, method: str, path: str, *, told: bool = False, **options: Any
    ) -> httpx.Response:
        """One request; an answer that is `told` a secret is not kept."""
        address = (self._service.data / "address").read_text().strip()
        # A service that has just started may not listen yet. It is plain HTTP, for which no
        # authorities are needed, which take long to read.
        transport = httpx.HTTPTransport(verify=False, retries=8)
        with httpx.Client(transport=transport, timeout=60.0) as client:
            answer = client.request(method, address + path, **options)
        if not told:
            self.heard += [answer.content, str(answer.headers).encode()]
        return answer

    def stream(self, path: str, until_event: int) -> None:
        """Follow the events up to one."""
        address = (self._service.data / "address").read_text().strip()
        with httpx.stream("GET", f"{address}{path}", timeout=60.0, trust_env=False) as answer:
            for line in answer.iter_lines():
                self.heard.append(line.encode())
                if line == f"id: {until_event}":
                    return


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for seed, name in enumerate(("base", "maths", "ja")):
        write_llama(tmp_path / "models" / "zoo" / name, seed, layers=4)
    return tmp_path / "models"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with hub_server() as serving:
        yield serving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as listening:
        yield listening


@pytest.mark.parametrize(
    "module", ["tests.faults.instant_service", pytest.param("service.cli", marks=pytest.mark.long)]
)
def test_no_secret_is_in_any_log_row_answer_or_export(
    module: str, models: Path, hub: Hub, receiver: Receiver, tmp_path: Path
) -> None:
    key = new_key()
    real = module == "service.cli"
    service = RunningService(
        tmp_path / "data",
        models=REPOSITORY if real else models,
        module=module,
        environment={
            "CUVEE_SECRET_KEY": key,
            "CUVEE_WEBHOOK_NETWORKS": '["127.0.0.0/8"]',
            "CUVEE_LOG_FORMAT": "json",
            "CUVEE_LOG_LEVEL": "debug",
            "HF_TOKEN": OPERATORS_TOKEN,
            "HF_ENDPOINT": hub.address,
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
        },
    )
    url = f"sqlite:///{service.data / 'cuvee.sqlite3'}"
    with service:
        call = Caller(service)
        secrets, ann = _sign_up(call, receiver)
        receiver.answers = [500, 0]
        job_id = _search_and_export(call, ann)
        _do_wrong(call, ann, secrets)
        _look_at_everything(call, ann, job_id)
        until(lambda: bool(_webhook(call, ann)["delivered"] > 5), 60)
        # Only the service was started with the key: its workers never get it.
        assert len(_processes_with(key)) == 1
        service.stop()
        # A job that fails has its traceback in the log.
        if not real:
            failed = submit_again(url, job_id)
            weights = models / "zoo" / "base" / "model.safetensors"
            weights.write_bytes(weights.read_bytes()[:-8] + bytes(8))
            service.start()
            until(lambda: call("GET", f"/v1/jobs/{failed}").json()["state"] == "failed", 60)
    secrets |= {"key": key, "operator": OPERATORS_TOKEN}
    places = {
        "log": service.log.encode(),
        "rows": _rows(url),
        "answers": b"\n".join(call.heard),
        "deliveries": b"\n".join(one.body for one in receiver.deliveries),
    }
    places |= {
        str(path.relative_to(service.data)): path.read_bytes()
        for path in service.data.rglob("*")
        if path.is_file()
    }
    found = {
        (name, place)
        for name, secret in secrets.items()
        for place, content in places.items()
        if secret.encode() in content
    }
    assert found == set()
    # It would have been found: what may be seen is.
    assert digest(secrets["token"]).encode() in places["rows"]
    assert digest(secrets["token"]).encode() in places["cuvee.sqlite3"]
    assert job_id.encode() in places["log"]
    assert any(place.startswith("exports/") for place in places)
    if not real:
        assert b"ModelChanged" in places["log"]
    _check_log(service.log, job_id)


def _sign_up(call: Caller, receiver: Receiver) -> tuple[dict[str, str], dict[str, str]]:
    """Ann's secrets of every kind, and the headers that she calls with."""
    asked = {"owner": "ann", "scopes": ["jobs:read", "jobs:write", "export"]}
    token: str = call("POST", "/v1/tokens", json=asked, told=True).json()["token"]
    ann = {"authorization": f"Bearer {token}"}
    cookie = call("POST", "/v1/session", json={"token": token}, told=True).cookies[COOKIE]
    page = call("GET", "/", headers={"cookie": f"{COOKIE}={cookie}"})
    word = re.search(r'name="csrf-word" content="(\w+)"', page.text)
    assert word is not None
    by_cookie = {"cookie": f"{COOKIE}={cookie}", "x-csrf-token": word[1]}
    kept = call("PUT", "/v1/hub-credential", json={"token": HUB_CREDENTIAL}, headers=by_cookie)
    assert kept.json()["present"]
    made = call("POST", "/v1/webhooks", json={"url": receiver.address}, headers=ann, told=True)
    secrets = {"token": token, "cookie": cookie, "hub credential": HUB_CREDENTIAL}
    return secrets | {"webhook": made.json()["secret"]}, ann


def _search_and_export(call: Caller, ann: dict[str, str]) -> str:
    job_id: str = call("POST", "/v1/jobs", json=search(12), headers=ann).json()["id"]
    _ended(call, f"/v1/jobs/{job_id}", ann, ENDED)
    path = f"/v1/jobs/{job_id}/exports"
    for body in ({}, {"target": "hub:ann/child"}):
        made = call("POST", path, json=body, headers=ann)
        assert made.status_code == 202, made.text
        address = f"{path}/{made.json()['id']}"
        ended = _ended(call, address, ann, ("finished", "failed"))
        # The hub knows no such token, and its refusal is what the row tells.
        assert ended["state"] == ("failed" if body else "finished"), ended["reason"]
    return job_id


def _do_wrong(call: Caller, ann: dict[str, str], secrets: dict[str, str]) -> None:
    """Send secrets where they are refused: no answer and no line may repeat them."""
    for name, secret in secrets.items():
        assert call("POST", "/v1/session", json={"token": secret, "as": secret}).is_error
        assert call("PUT", "/v1/hub-credential", json={"token": [secret]}, headers=ann).is_error
        guess = {"authorization": f"Bearer {secret}x"}
        assert call("GET", "/v1/jobs", headers=guess).status_code == 401, name
        assert call("POST", "/v1/jobs", content=b"{" + bytes(3), headers=ann).is_error
    assert call("DELETE", "/v1/tokens/none", headers=ann).status_code == 403


def _look_at_everything(call: Caller, ann: dict[str, str], job_id: str) -> None:
    described = call("GET", "/openapi.json").json()["paths"]
    alone = [path for path, ways in described.items() if "get" in ways and "{" not in path]
    of_job = [f"/v1/jobs/{job_id}{end}" for end in ("", "/trials", "/history", "/result")]
    for path in {*alone, *of_job, "/", f"/jobs/{job_id}", "/new"} - {"/v1/events"}:
        assert call("GET", path).status_code == 200, path
        # Some are an administrator's, who is whoever shows nothing in local mode.
        assert call("GET", path, headers=ann).status_code in {200, 403}, path
    newest = call("GET", "/v1/metrics").text
    cursor = re.search(r"^cuvee_event_cursor (\d+)", newest, re.MULTILINE)
    assert cursor is not None
    call.stream("/v1/events?since=0", int(cursor[1]))


def _webhook(call: Caller, ann: dict[str, str]) -> dict[str, Any]:
    (found,) = call("GET", "/v1/webhooks", headers=ann).json()
    webhook: dict[str, Any] = found
    return webhook


def _ended(call: Caller, path: str, ann: dict[str, str], states: tuple[str, ...]) -> dict[str, Any]:
    """A job or an export, once it is in one of these states."""

    def look() -> dict[str, Any]:
        found: dict[str, Any] = call("GET", path, headers=ann).json()
        return found

    until(lambda: look()["state"] in states, 240)
    return look()


def _processes_with(key: str) -> list[str]:
    """The processes of this machine that have the key in their environment."""
    found = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if key.encode() in file.read_bytes():
                found.append(file.parent.name)
    return found


def _rows(url: str) -> bytes:
    """Every row of every table, as text."""
    with opened(url) as database, database.snapshot() as session:
        found = [
            repr(tuple(row))
            for table in Base.metadata.sorted_tables
            for row in session.execute(select(table))
        ]
    return "\n".join(found).encode()


def _check_log(text: str, job_id: str) -> None:
    """Every line about a piece of a job's work says which job, and which trial."""
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    done = [line for line in lines if line["event"] == "work_ended"]
    mine = [line for line in done if line.get("job") == job_id]
    # The first trials may be parents, which need no work of their own.
    assert set(range(4, 12)) <= {line["trial"] for line in mine if "trial" in line}
    assert all("job" in line or "export" in line for line in done)
    assert all(line["work"].startswith("trial/") == ("trial" in line) for line in mine)
    begun = [line for line in lines if line["event"] == "work_begun" and line["job"] == job_id]
    assert {line["work"] for line in begun} == {line["work"] for line in mine}
    uploads = [line for line in lines if line["event"] == "upload_ended"]
    assert [(line["job"], "export" in line) for line in uploads] == [(job_id, True)]
