"""The command line: help that helps, and errors in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli import app

COMMANDS = [
    *("serve", "submit", "validate", "watch", "jobs", "pause", "resume", "cancel", "delete"),
    *("export", "import", "demo", "token"),
    *("key", "webhook", "hub-token", "quota", "workers"),
    *("compress", "decompress", "merge-experts"),
]


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner()


def test_help_lists_every_command(runner: CliRunner) -> None:
    text = runner.invoke(app, ["--help"]).output
    assert all(command in text for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(runner: CliRunner, command: str) -> None:
    answer = runner.invoke(app, [command, "--help"])
    assert answer.exit_code == 0
    assert "Usage" in answer.output


def test_a_command_begins_without_what_it_does_not_need() -> None:
    slow = "{'torch', 'transformers', 'ray', 'cma', 'optuna', 'scipy'}"
    source = f"import sys, service.cli; sys.exit(str({slow} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", source], check=False, capture_output=True)
    assert done.stderr == b"set()\n"


def test_every_option_of_serve_is_a_setting(runner: CliRunner) -> None:
    text = runner.invoke(app, ["serve", "--help"]).output
    for option in ("--data", "--models", "--tasks", "--host", "--port", "--workers", "--device"):
        assert option in text


def test_serving_beyond_loopback_is_refused(runner: CliRunner, tmp_path: Path) -> None:
    answer = runner.invoke(app, ["serve", "--host", "0.0.0.0", "--data", str(tmp_path / "data")])
    assert answer.exit_code == 1
    assert "loopback" in answer.output
    assert not (tmp_path / "data").exists()


def test_submitting_to_nobody_says_where_it_looked(runner: CliRunner, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("name: x\n")
    answer = runner.invoke(app, ["submit", str(spec), "--url", "http://127.0.0.1:9"])
    assert answer.exit_code == 1
    assert "http://127.0.0.1:9" in answer.output


def test_a_spec_that_is_not_there_is_an_error(runner: CliRunner, tmp_path: Path) -> None:
    answer = runner.invoke(app, ["submit", str(tmp_path / "none.yaml")])
    assert answer.exit_code == 2
    assert "does not exist" in answer.output
