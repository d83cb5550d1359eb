"""The licence of a child, from its parents' model cards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import metadata_load

UNKNOWN = "unknown"
OTHER = "other"


@dataclass(frozen=True)
class ParentCard:
    """What a parent's card says: the hub's licence identifier, and its languages.

    `name` and `link` belong to the licence `other`.
    """

    licence: str = UNKNOWN
    name: str | None = None
    link: str | None = None
    languages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Licence:
    """The child's licence as the hub names it, and what is to be warned of."""

    licence: str
    name: str | None = None
    link: str | None = None
    warnings: list[str] = field(default_factory=list)


def read_card(folder: Path) -> ParentCard:
    """What the README.md in a parent's folder says; nothing where there is none, or no metadata."""
    try:
        found: Any = metadata_load(folder / "README.md")
    except (OSError, UnicodeDecodeError, ValueError, yaml.YAMLError):
        found = None
    if not isinstance(found, dict):
        return ParentCard()
    languages = found.get("language") or []
    languages = languages if isinstance(languages, list) else [languages]
    return ParentCard(
        licence=_text(found.get("license")) or UNKNOWN,
        name=_text(found.get("license_name")),
        link=_text(found.get("license_link")),
        languages=tuple(str(one) for one in languages),
    )


def resolve_licence(cards: Mapping[str, ParentCard]) -> Licence:
    """The licence that all parents share; `other` where they differ, with a warning.

    A parent without a licence in its card makes the child's `unknown`. Nothing here weighs licences
    against each other: which conditions a child must meet is for its publisher to say.
    """
    silent = [alias for alias, card in cards.items() if card.licence == UNKNOWN]
    if silent:
        message = f"no licence is known of: {', '.join(silent)}; ask before publishing"
        return Licence(UNKNOWN, warnings=[message])
    terms = {(card.licence, card.name, card.link) for card in cards.values()}
    if len(terms) == 1:
        return Licence(*terms.pop())
    listed = ", ".join(f"{alias} {card.name or card.licence}" for alias, card in cards.items())
    message = f"the parents' licences differ ({listed}): the conditions of all of them hold"
    return Licence(OTHER, "licences-of-the-parents", "README.md", [message])


def _text(value: object) -> str | None:
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    return value if isinstance(value, str) and value else None
