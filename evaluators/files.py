"""Reading a task's files: text, and one JSON object a line, with errors that say where."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from evaluators.errors import TaskDataError

T = TypeVar("T")


def read_text(path: Path) -> str:
    """A file's text in UTF-8, with or without a byte-order mark.

    Raises TaskDataError, naming the file.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TaskDataError(f"{path}: {error}") from error


def read_lines(path: Path, read: Callable[[str], T]) -> list[T]:
    """What `read` makes of each line that isn't blank.

    Its ValueErrors become a TaskDataError that names file and line; so does a file without lines.
    """
    results = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            try:
                results.append(read(line))
            except ValueError as error:
                raise TaskDataError(f"{path}:{number}: {_reason(error)}") from error
    if not results:
        raise TaskDataError(f"{path}: no items")
    return results


def read_json_lines(path: Path, read: Callable[[dict[str, Any]], T]) -> list[T]:
    """What `read` makes of each line's JSON object. Raises TaskDataError as `read_lines` does."""
    return read_lines(path, lambda line: read(_object(line)))


def _object(line: str) -> dict[str, Any]:
    entry = json.loads(line)
    if not isinstance(entry, dict):
        raise ValueError("not an object")
    return entry


def _reason(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg} at column {error.colno}"
    return str(error)
