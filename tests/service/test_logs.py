"""What is logged must not end what it is about."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LOGGING = """
import structlog
from service.logs import configure
configure({form!r}, "info")
for number in range(1000):
    structlog.get_logger("lines").warning("some_event", number=number, text="x" * 100)
try:
    1 / 0
except ZeroDivisionError:
    structlog.get_logger("lines").critical("an_error", exc_info=True)
print("went on")
"""


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_log_without_room_or_reader_is_lost(form: str) -> None:
    command = [sys.executable, "-c", LOGGING.format(form=form)]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, text=True, check=False)
    assert ended.stdout == "went on\n"
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stderr.close()
    assert process.stdout.read() == "went on\n"
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_tells_what_happened(form: str) -> None:
    command = [sys.executable, "-c", LOGGING.format(form=form)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = ended.stderr.splitlines()
    assert sum("some_event" in line for line in lines) == 1000
    assert "ZeroDivisionError" in ended.stderr
