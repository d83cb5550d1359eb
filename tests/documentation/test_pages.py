"""Every command of the documentation is one that there is, with options that it takes.

Here they are read: `cuvee` and `ray` by their own parsers, make by a dry run, lines of variables by
the settings. What can be run is run by the tests beside this one.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
from ray.scripts.scripts import start as ray_start

from service.cli import app as cuvee
from service.settings import Settings
from tests.documentation.commands import (
    ELSEWHERE,
    IN_BLOCKS,
    IN_SENTENCES,
    OTHERS,
    PARSED,
    RUN,
    SHELL,
    Command,
    distinct,
)
from tests.running import REPOSITORY


def parsed(command: Any, words: list[str], parent: Any = None) -> str:
    """The full name of the command that takes these words; raises the parser's own errors.

    typer has a click of its own, so commands are what behaves like one.
    """
    context = command.make_context(words[0], words[1:], parent=parent)
    if not hasattr(command, "resolve_command"):
        path: str = context.command_path
        return path
    rest = [*context._protected_args, *context.args]
    name, following, left = command.resolve_command(context, rest)
    return parsed(following, [name, *left], context)


def test_commands_are_found_on_the_pages_that_have_some() -> None:
    least = {"cuvee": 20, "make": 5, "ray": 3, "curl": 1, "python": 2, "openssl": 3}
    for program, count in least.items():
        assert len(distinct(IN_BLOCKS, program)) >= count
    assert {one.program for one in IN_SENTENCES} >= {"cuvee", "make", "python"}


def test_every_program_is_one_that_something_is_done_about() -> None:
    known = RUN | SHELL | OTHERS | PARSED.keys() | ELSEWHERE.keys()
    for command in IN_BLOCKS:
        assert command.program in {*known, ""}, (
            f"{command}: say in tests/documentation/commands.py whether {command.program} is a "
            "program, and whether it is run"
        )


@pytest.mark.parametrize("command", distinct(IN_BLOCKS, "cuvee"), ids=str)
def test_cuvee_takes_the_command(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Files that commands are about must be there to be parsed.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spec.yaml").touch()
    assert parsed(typer.main.get_command(cuvee), list(command.words)).startswith("cuvee ")


def test_the_parser_refuses_what_is_no_command() -> None:
    for words in (["cuvee", "nothing"], ["cuvee", "export", "JOB", "--trail", "3"]):
        with pytest.raises(Exception, match="No such"):
            parsed(typer.main.get_command(cuvee), words)


@pytest.mark.parametrize("command", distinct(IN_BLOCKS, "ray"), ids=str)
def test_ray_takes_the_command(command: Command) -> None:
    assert command.words[1] == "start"
    assert parsed(ray_start, list(command.words[1:])) == "start"


@pytest.mark.parametrize("command", distinct([*IN_BLOCKS, *IN_SENTENCES], "make"), ids=str)
def test_make_has_the_target(command: Command) -> None:
    dry = ["make", "--dry-run", *command.words[1:]]
    done = subprocess.run(dry, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    for path in re.findall(r"tests/\S+", done.stdout):
        assert (REPOSITORY / path).exists(), path


@pytest.mark.parametrize("command", distinct(IN_BLOCKS, ""), ids=str)
def test_a_line_of_variables_sets_what_there_is(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in command.environment:
        assert name.removeprefix("CUVEE_").lower() in Settings.model_fields
        monkeypatch.setenv(name, value)
    Settings()


def test_the_table_beside_others_has_measured_figures_alone() -> None:
    """Each number of a row with a peer's figure stands in the benchmarks' own page."""
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    measured = (REPOSITORY / "benchmarks" / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## Beside others\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    assert len(rows) > 5
    for row in rows:
        if "not measured" not in row:
            for figure in re.findall(r"(?<![\d.])\d+\.\d+(?![.\d])", row):
                assert re.search(rf"(?<![\d.]){re.escape(figure)}(?![\d])", measured), (figure, row)
