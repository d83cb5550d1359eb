"""Recipes of others: mergekit's YAML, a model card, or a repository on the hub that has either."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
)

from merging.errors import RecipeError
from merging.recipe import Recipe
from search.errors import SpecError
from search.yaml_text import load_plain_documents
from service.errors import Refused

FILES = ("recipe.yaml", "mergekit_config.yml", "mergekit_config.yaml", "README.md")
"""Where a folder or a repository says how its model was merged, the first that is there."""

_HUB = "hub:"
_BLOCK = re.compile(r"^```ya?ml\s*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def read_source(source: str) -> dict[str, Recipe]:
    """The recipes of a file, a folder or `hub:owner/name[@revision]`, each step by its name.

    Steps come before those that need them; the last is the child's own, by the name "". Raises
    Refused or RecipeError.
    """
    path = _fetched(source.removeprefix(_HUB)) if source.startswith(_HUB) else _found(Path(source))
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        text = _of_card(text, source)
    return parse_steps(text)


def parse_steps(text: str) -> dict[str, Recipe]:
    """The recipes of a YAML text of one or more documents; all but the last must have a name.

    Raises RecipeError naming the document and field that is wrong.
    """
    try:
        documents = load_plain_documents(text)
    except SpecError as error:
        raise RecipeError("recipe", error.message) from error
    if not documents:
        raise RecipeError("recipe", "is empty")
    steps: dict[str, Recipe] = {}
    for number, document in enumerate(documents, start=1):
        where = f"document {number}: " if len(documents) > 1 else ""
        if not isinstance(document, dict):
            raise RecipeError(f"{where}recipe", "must be a mapping with merge_method")
        fields: dict[str, Any] = dict(document)
        name = fields.pop("name", "")
        if number < len(documents) and (not isinstance(name, str) or not name or name in steps):
            raise RecipeError(f"{where}name", "must be given, and be of its own, for a step")
        try:
            steps["" if number == len(documents) else name] = Recipe.parse(fields)
        except RecipeError as error:
            raise RecipeError(f"{where}{error.field}", error.message) from error
    return steps


def _found(path: Path) -> Path:
    if path.is_dir():
        there = [path / name for name in FILES if (path / name).is_file()]
        if not there:
            raise Refused(f"{path}: holds none of {', '.join(FILES)}")
        return there[0]
    if not path.is_file():
        raise Refused(f"{path}: there is no such file or folder")
    return path


def _fetched(repository: str) -> Path:
    name, _, revision = repository.partition("@")
    for file in FILES:
        try:
            return Path(hf_hub_download(name, file, revision=revision or None))
        except LocalEntryNotFoundError as error:
            raise Refused(f"hub:{repository}: {' '.join(str(error).split())}") from error
        except EntryNotFoundError:
            continue
        except (HfHubHTTPError, HFValidationError) as error:
            raise Refused(f"hub:{repository}: {' '.join(str(error).split())}") from error
    raise Refused(f"hub:{repository}: holds none of {', '.join(FILES)}")


def _of_card(text: str, source: str) -> str:
    blocks = list(_recipes(text))
    if not blocks:
        raise Refused(f"{source}: the card has no YAML block with a merge_method")
    return blocks[0]


def _recipes(text: str) -> Iterator[str]:
    for block in _BLOCK.findall(text):
        if re.search(r"^\s*merge_method\s*:", block, re.MULTILINE):
            yield block
