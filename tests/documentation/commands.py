"""The commands that the documentation shows: in blocks of code, and by name in its sentences."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import typer

from service.cli import app as cuvee
from tests.running import REPOSITORY

PAGES = [
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md")),
    # Reference pages are written from the code.
    *(
        page
        for page in sorted((REPOSITORY / "docs").glob("*.md"))
        if not page.name.startswith("reference-")
    ),
    REPOSITORY / "benchmarks" / "README.md",
    REPOSITORY / "zoo" / "README.md",
]

RUN = {"cuvee", "curl", "python"}
"""Programs whose commands are run one by one."""

SHELL = {"export", "mkdir", "openssl"}
"""What a shell is given, the lines of a page together."""

OTHERS = {"jq", "kubectl"}
"""Programs of others that need not be installed: their tests skip then, and say so. kubectl makes
what it would send to a cluster, and sends it to none."""

PARSED = {
    "make": "a target is a whole run, of the demo, the tests or a benchmark",
    "ray": "it starts a node of a cluster, whose processes outlive the command; "
    "tests/cluster.py starts such nodes, and ends them",
}
"""Programs that are only asked whether they take a command, and why."""

ELSEWHERE = {
    "docker": "it needs a container engine; tests/deploy reads the files that it gets",
    "helm": "it needs a cluster of Kubernetes; tests/deploy reads the values that it gets",
}
"""Programs that do not run where the tests do, and why."""

NO_PROGRAMS = {"block", "from", "m"}
"""Words that begin a line of a formula or of Python."""


@dataclass(frozen=True)
class Command:
    """A command, by its words, with the variables set before it; `line` is as the page has it."""

    page: str
    line: str
    words: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def program(self) -> str:
        """The word that names it; empty for a line that sets variables alone."""
        return self.words[0] if self.words else ""

    def __str__(self) -> str:
        return f"{self.page}: {self.line}"


def in_blocks(page: Path) -> Iterator[Command]:
    """The commands in a page's indented and fenced blocks, and those that docker is given there."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    fenced = "\n".join(re.findall(r"^```(?:sh|bash|console)?\n(.*?)^```", text, re.M | re.S))
    indented = re.findall(r"^(?: {4}| {7})(\S.*)$", text, re.M)
    for line in (" ".join(one.split()) for one in [*indented, *fenced.splitlines()]):
        head = line.partition(" ")[0]
        if head in NO_PROGRAMS or not re.fullmatch(r"(\.venv/bin/)?[a-z]+|[A-Z_]+=.*", head):
            continue
        yield _command(page, line)
        if head == "docker" and (inner := re.search(r"\bcuvee .*", line)):
            yield _command(page, inner[0])


def in_sentences(page: Path) -> Iterator[Command]:
    """What stands between backticks and begins with a program that is run or parsed."""
    text = page.read_text(encoding="utf-8")
    for found in re.findall(rf"`((?:{'|'.join(sorted(RUN | PARSED.keys()))})\s[^`]+)`", text):
        yield _command(page, " ".join(found.split()))


def distinct(commands: Iterable[Command], program: str) -> list[Command]:
    """The commands of a program, each once, whatever pages have it."""
    found = {(one.words, one.environment): one for one in commands if one.program == program}
    return list(found.values())


def name_of(command: Command) -> str:
    """Which of `cuvee`'s commands, or groups of them, it is: `token create`, say."""
    place = _cuvee()
    names: list[str] = []
    for word in command.words[1:]:
        if (place := getattr(place, "commands", {}).get(word)) is None:
            break
        names.append(word)
    return " ".join(names)


@cache
def _cuvee() -> Any:
    return typer.main.get_command(cuvee)


def _command(page: Path, line: str) -> Command:
    words = shlex.split(line, comments=True)
    environment = []
    while words and (found := re.fullmatch(r"([A-Z_]+)=(.*)", words[0])):
        environment.append((found[1], found[2]))
        words.pop(0)
    if words:
        words[0] = words[0].removeprefix(".venv/bin/")
    return Command(page.name, line, tuple(words), tuple(environment))


IN_BLOCKS = [command for page in PAGES for command in in_blocks(page)]
IN_SENTENCES = [command for page in PAGES for command in in_sentences(page)]
