"""Options that name a parent: NAME=VALUE for one, VALUE alone for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from service.errors import Refused

_ALL = ""


def pairs(option: str, given: list[str]) -> dict[str, str]:
    """NAME=VALUE by name; a VALUE alone by the empty name."""
    found: dict[str, str] = {}
    for one in given:
        name, _, value = one.partition("=") if "=" in one else ("", "", one)
        if name in found:
            raise Refused(f"{option}: is given twice for {name or 'all parents'}")
        if option == "--parent" and not name:
            raise Refused(f"{option}: write NAME=FOLDER, not {one!r}")
        found[name] = value
    return found


def by_parent(option: str, given: list[str], parents: Mapping[str, Path]) -> dict[str, str]:
    """The value for each parent that has one, its own before that for all."""
    found = pairs(option, given)
    for name in found:
        if name != _ALL and name not in parents:
            raise Refused(f"{option}: there is no parent {name!r}; there are: {', '.join(parents)}")
    return {
        name: found.get(name, found.get(_ALL, ""))
        for name in parents
        if name in found or _ALL in found
    }
