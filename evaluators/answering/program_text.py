"""Finding the program in what a model wrote."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Missing = Literal["no_program", "other_language"]


@dataclass(frozen=True)
class Written:
    """A program, or why there is none: no program at all, or one in another language."""

    code: str
    missing: Missing | None = None


def find_program(text: str, *, opened: bool = False) -> Written:
    """The last fenced block of Python, of those that define `solution` if any does; without a
    fence the text from the first import or definition on, if it defines `solution`.

    A fence without a language counts as Python, and one that is not closed ends with the text.
    `opened` says that the prompt opened a block, which the text goes on with; that one has to
    define `solution`, for a few words are a program too.
    """
    if opened:
        code = _CLOSING.split(text, maxsplit=1)[0]
        return Written(code) if defines("solution", code) else Written("", "no_program")
    blocks = [(match[1].lower(), match[2]) for match in _BLOCK.finditer(text)]
    programs = [code for language, code in blocks if language in _PYTHON]
    if programs:
        solving = [code for code in programs if defines("solution", code)]
        return Written((solving or programs)[-1])
    if blocks:
        return Written("", "other_language")
    start = _DEFINITION.search(text)
    if start is None or not defines("solution", text):
        return Written("", "no_program")
    return Written(_without_prose(text[start.start() :]))


def defines(function: str, code: str) -> bool:
    """Whether a program defines a function of this name, not inside another."""
    return re.search(rf"^def {re.escape(function)}\b", code, re.MULTILINE) is not None


_PYTHON = ("", "python", "python3", "py")
_CLOSING = re.compile(r"^```", re.MULTILINE)
_BLOCK = re.compile(
    r"^[ \t]*```[ \t]*([\w+#.-]*)[^\n]*\n(.*?)(?:^[ \t]*```|\Z)", re.MULTILINE | re.DOTALL
)
_DEFINITION = re.compile(r"^(?:import \w|from [\w.]+ import\b|def \w+\(|class \w+)", re.MULTILINE)
_CODE_LINE = re.compile(
    r"\s|$|[#@)\]}]|(?:import|def|class) \w|from [\w.]+ import\b|\w+\s*[-+*/]?=|print\("
)


def _without_prose(code: str) -> str:
    """The lines up to the first one that cannot be a program's."""
    kept = []
    for line in code.splitlines():
        if not _CODE_LINE.match(line):
            break
        kept.append(line)
    return "\n".join(kept) + "\n"
