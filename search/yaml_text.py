"""YAML from strangers: plain data only, of a bounded size and depth, with one clear error."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

import yaml

from search.errors import SpecError

Found = TypeVar("Found")

SIZE_LIMIT = 256 * 1024
"""Characters of YAML that are read at most; a spec of thousands of genes takes a tenth of it."""

DEPTH_LIMIT = 32
"""Lists and mappings inside one another; a spec needs seven."""


def load_plain_yaml(text: str) -> object:
    """Scalars, lists and mappings from a YAML document (JSON is a part of YAML).

    Anchors and aliases are refused (a few lines of them unfold to gigabytes), and so are tags,
    repeated keys (all but the last would be lost in silence) and more than one document.
    Raises SpecError with an empty field and the line of the mistake.
    """
    return _loaded(text, lambda loader: loader.get_single_data())


def load_plain_documents(text: str) -> list[object]:
    """Every document of a YAML text, under the same rules. Raises SpecError."""
    return _loaded(text, _documents)


def _documents(loader: _PlainLoader) -> list[object]:
    found = []
    while loader.check_data():  # type: ignore[no-untyped-call]
        found.append(loader.get_data())
    return found


def _loaded(text: str, read: Callable[[_PlainLoader], Found]) -> Found:
    if len(text) > SIZE_LIMIT:
        raise SpecError("", f"the document is longer than {SIZE_LIMIT // 1024} kB")
    try:
        loader = _PlainLoader(text)
        try:
            return read(loader)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise SpecError("", _describe(error)) from error
    except (yaml.YAMLError, ValueError) as error:
        # ValueError: an impossible date, or a number of thousands of digits.
        raise SpecError("", f"not readable as YAML: {str(error).splitlines()[0]}") from error


class _PlainLoader(yaml.SafeLoader):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "anchor", None) is not None:
            raise _problem("anchors and aliases (& and *) are not read here", event)
        if self._depth == DEPTH_LIMIT:
            raise _problem(f"nested deeper than {DEPTH_LIMIT} levels", event)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is not None and key in seen:
                raise _problem(f"the key {key!r} appears twice", key_node)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _problem(message: str, place: yaml.Event | yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=message, problem_mark=cast(Any, place.start_mark))


def _describe(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    place = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
    return f"{place}{error.problem or error.context}"
