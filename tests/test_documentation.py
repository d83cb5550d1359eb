"""Every command of the documentation is one that there is, with options that it takes.

Most would take minutes or another machine, so they are not run: `cuvee` and `ray` read each command
line by their own parsers, make says what it would do, and a request is made of the API.
What does the work of each is run by the tests of its room.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import typer
from fastapi.testclient import TestClient
from ray.scripts.scripts import start as ray_start

from service.app import create_app
from service.cli import app as cuvee
from service.settings import Settings
from tests.running import REPOSITORY

PAGES = [
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted((REPOSITORY / "docs").glob("*.md")),
    REPOSITORY / "benchmarks" / "README.md",
    REPOSITORY / "zoo" / "README.md",
]
# docker, kubectl and helm need an engine or a cluster: tests/deploy reads the files that these get.
PARSED = {"cuvee", "make", "curl", "ray", "python"}


@dataclass(frozen=True)
class Command:
    """A line of a code block, its words, and where it stands."""

    page: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words)}"


def commands(page: Path) -> Iterator[Command]:
    """The commands in a page's indented and fenced blocks, without what is set before them."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    fenced = "\n".join(re.findall(r"^```(?:sh|bash|console)?\n(.*?)^```", text, re.M | re.S))
    indented = re.findall(r"^(?: {4}| {7})(\S.*)$", text, re.M)
    for line in [*indented, *fenced.splitlines()]:
        head = line.strip().split(" ")[0]
        if re.fullmatch(r"(\.venv/bin/)?[a-z]+|[A-Z_]+=.*", head):
            try:
                words = shlex.split(line, comments=True)
            except ValueError:
                continue
            while words and re.match(r"[A-Z_]+=", words[0]):
                words.pop(0)
            name = words[0].removeprefix(".venv/bin/") if words else ""
            if name in PARSED:
                yield Command(page.name, (name, *words[1:]))


FOUND = [command for page in PAGES for command in commands(page)]


def of(name: str) -> list[Command]:
    return [command for command in FOUND if command.words[0] == name]


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
    counts = {name: len(of(name)) for name in PARSED}
    assert counts["cuvee"] >= 25
    assert counts["make"] >= 6
    assert counts["ray"] >= 3
    assert counts["curl"] >= 1


@pytest.mark.parametrize("command", of("cuvee"), ids=str)
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


@pytest.mark.parametrize("command", of("ray"), ids=str)
def test_ray_takes_the_command(command: Command) -> None:
    assert command.words[1] == "start"
    assert parsed(ray_start, list(command.words[1:])) == "start"


@pytest.mark.parametrize("command", of("make"), ids=str)
def test_make_has_the_target(command: Command) -> None:
    dry = ["make", "--dry-run", *command.words[1:]]
    subprocess.run(dry, cwd=REPOSITORY, check=True, capture_output=True)


@pytest.mark.parametrize("command", of("python"), ids=str)
def test_python_has_the_module(command: Command) -> None:
    assert command.words[1] == "-m"
    assert (REPOSITORY / f"{command.words[2].replace('.', '/')}.py").is_file()


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), workers=0, local=True)
    with TestClient(create_app(settings), base_url="http://127.0.0.1") as client:
        yield client


@pytest.mark.parametrize("command", of("curl"), ids=str)
def test_the_api_has_the_route(command: Command, api: TestClient) -> None:
    options: dict[str, Any] = {"method": "GET", "headers": {}, "content": None}
    words = iter(command.words[1:])
    for word in words:
        if word in {"-X", "--request"}:
            options["method"] = next(words)
        elif word in {"-H", "--header"}:
            name, _, value = next(words).partition(": ")
            options["headers"][name] = value
        elif word in {"-d", "--data", "--data-binary"}:
            options["content"] = next(words)
            options["method"] = "POST"
        elif not word.startswith("-"):
            address = urlsplit(word)
            options["url"] = address.path + (f"?{address.query}" if address.query else "")
    options["headers"].pop("Authorization", None)
    answer = api.request(**options)
    # Whatever is wrong with example values, the route is there and takes the method.
    assert answer.status_code not in {404, 405}, answer.text


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
