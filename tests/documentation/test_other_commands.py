"""What a page shows beside `cuvee` is run too: curl, Python's modules, and lines for a shell."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from service.sealing import Seal
from service.settings import Settings
from tests.documentation.commands import IN_BLOCKS, IN_SENTENCES, SHELL, Command, distinct
from tests.documentation.examples import Examples
from tests.running import wait_for_end

SCRIPTS = [one for one in IN_BLOCKS if one.program in SHELL - {"jq"}]
"""Lines that a shell runs, those of a page one after another."""
_VALUES = {"DIR": "out", "NAME": "ja"}
# The client's own, and the container's.
_NO_SETTINGS = {"CUVEE_TOKEN", "CUVEE_MODELS"}


@pytest.mark.parametrize("command", distinct(IN_BLOCKS, "curl"), ids=str)
def test_curl_gets_an_answer(command: Command, there: Examples) -> None:
    asked = ["curl", "--silent", "--show-error", "--fail-with-body", *there.words(command)]
    done = subprocess.run(asked, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("command", distinct([*IN_BLOCKS, *IN_SENTENCES], "python"), ids=str)
def test_python_has_the_module_and_it_the_options(
    command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.words[1] == "-m"
    module = importlib.import_module(command.words[2])
    assert '\nif __name__ == "__main__":\n    main()' in Path(module.__file__ or "").read_text()
    # Brackets stand around what may be left out.
    given = [word.strip("[]") for word in command.words[3:]]
    values = [_VALUES.get(word, word) for word in given]
    monkeypatch.setattr(sys, "argv", [command.words[2], *values, "--help"])
    with pytest.raises(SystemExit, match="0"):
        module.main()
    told = capsys.readouterr().out
    for option in (word for word in given if word.startswith("--")):
        assert re.search(rf"{option}\b", told), option


@pytest.mark.parametrize("page", sorted({one.page for one in SCRIPTS}))
def test_a_shell_runs_the_lines_of_a_page(page: str, there: Examples) -> None:
    lines = [there.real(one.line) for one in SCRIPTS if one.page == page]
    script = "\n".join([*lines, "env"])
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path}
    done = subprocess.run(
        ["sh", "-eu", "-c", script], check=False, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    exported = dict(one.split("=", 1) for one in done.stdout.splitlines() if "=" in one)
    new = {name for name in exported.keys() - os.environ.keys() if name.startswith("CUVEE_")}
    for name in new - _NO_SETTINGS:
        assert name.removeprefix("CUVEE_").lower() in Settings.model_fields
    keys = [one.read_text() for one in Path().glob("*/*_key")]
    if "CUVEE_SECRET_KEY" in new:
        keys.append(exported["CUVEE_SECRET_KEY"])
    for key in keys:
        assert Seal(key).close("secret", "test")


@pytest.mark.parametrize("command", distinct(IN_BLOCKS, "jq"), ids=str)
def test_jq_finds_a_trial_in_the_log(command: Command, there: Examples) -> None:
    wait_for_end(there.client, there.running)
    log = [line for line in there.service.log.splitlines() if line.startswith("{")]
    meant = {"5f...": there.running, "17": "3"}
    wanted = [there.real(word, **meant) for word in command.words[1:]]
    done = subprocess.run(
        ["jq", "-c", *wanted], input="\n".join(log), check=True, capture_output=True, text=True
    )
    assert all(there.running in line for line in done.stdout.splitlines())
    assert done.stdout
