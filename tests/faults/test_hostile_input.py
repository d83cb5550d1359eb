"""Hostile input over real HTTP: refused with the field at fault, at no cost, and nothing falls."""

from __future__ import annotations

import json
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from tests.faults.conftest import search
from tests.running import RunningService
from tests.tiny import write_llama

_HUGE = 100 * 10**6
_CHUNK = b"x" * (1 << 16)
_JOBS = "/v1/jobs"


@pytest.fixture(scope="module")
def service(
    tiny_models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningService]:
    """A service whose models folder has links that lead out of it, to a real model."""
    folder = tmp_path_factory.mktemp("hostile")
    write_llama(folder / "secret", 9)
    models = folder / "models"
    shutil.copytree(tiny_models, models)
    (models / "link").symlink_to(folder / "secret")
    (models / "up").symlink_to(folder)
    running = RunningService(
        folder / "data", models=models, workers=0, module="tests.faults.instant_service"
    )
    with running:
        yield running


@pytest.fixture(scope="module")
def http(service: RunningService) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{service.port}", timeout=120) as client:
        yield client
        # Whatever was sent, the service is there, and nothing of it was taken for a job.
        assert client.get("/v1/health").json()["status"] == "ok"
        assert client.get(_JOBS).json() == []


@pytest.mark.parametrize(
    "reference",
    [
        "../secret",
        "zoo/../../secret",
        "zoo/base/../../../secret",
        "/etc",
        "link",
        "up/secret",
        "up",
        "zoo/base+../secret",
        "zoo/base+link",
        "~/secret",
        "%2e%2e/secret",
        "..\\secret",
        "https://example.org/model",
        "file:///etc/passwd",
        "hf://org/name",
        "//example.org/share",
        "zoo/base#main",
        "zoo/base?revision=main",
        "org/name@../../secret",
        "org/name@refs/../../../secret",
        "../secret@main",
        "org/name@main#config.json",
        "zoo/base\x00",
        "zoo/base\n",
        "",
        ".",
        "a" * 300,
        "a/" * 149 + "a",
        "\ud800",
    ],
)
def test_a_reference_that_leads_elsewhere(http: httpx.Client, reference: str) -> None:
    spec = search(6)
    spec["models"]["ja"]["ref"] = reference
    answer = http.post(_JOBS, content=json.dumps(spec))
    _check_refused(answer, "models.ja.ref")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param("[" * 200_000, "nested deeper", id="lists"),
        pytest.param("{a: " * 50_000, "nested deeper", id="mappings"),
        pytest.param("- " * 100_000, "nested deeper", id="sequences"),
        pytest.param('{"a":' * 20_000 + "1" + "}" * 20_000, "nested deeper", id="JSON"),
        pytest.param("x" * 1_000_000, "longer than", id="long"),
        pytest.param("a: " + "9" * 10_000, "not readable", id="number"),
        pytest.param("!!python/object/apply:os.system [id]", "constructor", id="code"),
        pytest.param("? " * 50_000, "nested deeper", id="keys"),
    ],
)
def test_a_document_that_is_a_trap(http: httpx.Client, body: str, message: str) -> None:
    answer = http.post(_JOBS, content=body, headers={"content-type": "application/yaml"})
    assert message in _check_refused(answer, "body")


def test_a_document_that_unfolds_to_a_billion_words(http: httpx.Client) -> None:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    text = "\n".join([*lines, yaml.safe_dump(search(6))])
    for path in (_JOBS, f"{_JOBS}/validate"):
        answer = http.post(path, content=text, headers={"content-type": "application/yaml"})
        assert "line 1, column 5: anchors" in _check_refused(answer, "body")


@pytest.mark.parametrize("depth", [900, 300_000])
def test_deep_json_where_no_spec_is_asked_for(http: httpx.Client, depth: int) -> None:
    deep = '{"changes": {"name": ' + "[" * depth + "]" * depth + "}}"
    for path in (f"{_JOBS}/nobody/clone", f"{_JOBS}/nobody/pause", "/v1/tokens"):
        answer = http.post(path, content=deep, headers={"content-type": "application/json"})
        assert 400 <= answer.status_code < 500, answer.text


def test_a_huge_body_is_refused_before_any_of_it_is_read(service: RunningService) -> None:
    before = _peak_memory(service)
    with _asked(service, f"Content-Length: {_HUGE}") as connection:
        # Nothing of the body has been sent by now.
        assert b" 413 " in connection.recv(1 << 16)
        sent = _pour(connection)
    assert sent < _HUGE / 5
    assert _peak_memory(service) - before < _HUGE / 10


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Transfer-Encoding: chunked", b" 411 "),
        ("Content-Length: -1", b" 400 "),
        ("Content-Length: 9999999999999999999", b" 413 "),
        ("Content-Length: 99999999999999999999999", b" 400 "),
        ("Content-Length: 1e8", b" 400 "),
        ("X-Long: " + "x" * 200_000, b" 400 "),
    ],
)
def test_a_body_of_unknown_length_is_refused(
    service: RunningService, header: str, status: bytes
) -> None:
    with _asked(service, header) as connection:
        assert status in connection.recv(1 << 16)


def _check_refused(answer: httpx.Response, field: str) -> str:
    """Check that one field is named; gives what is said of it."""
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    (error,) = answer.json()["errors"]
    assert error["field"] == field
    message: str = error["message"]
    assert message
    return message


def _asked(service: RunningService, header: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", service.port), timeout=60)
    head = f"POST {_JOBS} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n"
    connection.sendall(head.encode())
    return connection


def _pour(connection: socket.socket) -> int:
    """Send the huge body all the same, until the other side has enough; gives the bytes sent."""
    sent = 0
    try:
        while sent < _HUGE:
            connection.sendall(_CHUNK)
            sent += len(_CHUNK)
    except OSError:
        pass
    return sent


def _peak_memory(service: RunningService) -> int:
    """Bytes that the service has had in memory at most."""
    status = Path(f"/proc/{service.pid}/status").read_text()
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return 1024 * int(found[1])
