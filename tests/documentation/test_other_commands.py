"""What a page shows beside `cuvee` is run too: curl, Python's modules, and lines for a shell."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from service.sealing import Seal
from service.settings import Settings
from tests.documentation.commands import IN_BLOCKS, IN_SENTENCES, SHELL, Command, distinct
from tests.documentation.examples import Examples
from tests.running import wait_for_end

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


@pytest.mark.parametrize("page", sorted({one.page for one in IN_BLOCKS if one.program in SHELL}))
def test_a_shell_runs_the_lines_of_a_page(page: str, there: Examples) -> None:
    told = _run([*_script(page, there), "env"])
    exported = dict(one.split("=", 1) for one in told.splitlines() if "=" in one)
    new = {name for name in exported.keys() - os.environ.keys() if name.startswith("CUVEE_")}
    for name in new - _NO_SETTINGS:
        assert name.removeprefix("CUVEE_").lower() in Settings.model_fields
    keys = [one.read_text() for one in Path().glob("*/*_key")]
    if "CUVEE_SECRET_KEY" in new:
        keys.append(exported["CUVEE_SECRET_KEY"])
    for key in keys:
        assert Seal(key).close("secret", "test")


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kubectl_makes_secrets_of_the_files_that_the_page_makes(
    there: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", os.devnull)
    commands = distinct(IN_BLOCKS, "kubectl")
    (page,) = {one.page for one in commands}
    dry = [f"{one.line} --dry-run=client --output=json" for one in commands]
    made = [json.loads(_run([*_script(page, there), line])) for line in dry]
    assert {one["metadata"]["name"]: set(one["data"]) for one in made} == {
        "cuvee-ray-token": {"token"},
        "cuvee-secrets": {"postgres_password", "secret_key"},
    }


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
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


def _script(page: str, there: Examples) -> list[str]:
    return [there.real(one.line) for one in IN_BLOCKS if one.page == page and one.program in SHELL]


def _run(lines: list[str]) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-eu", "-c", "\n".join(lines)],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": path},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
