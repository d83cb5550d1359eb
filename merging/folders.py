"""Folders that appear whole or not at all, and what is in a model's beside its weights."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from merging.errors import CheckpointError
from merging.model_files import INDEX

# What a model folder holds beside its weights: configuration, tokenizer, templates.
_KEPT = (".json", ".model", ".txt", ".jinja")


@contextmanager
def whole_folder(out: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A draft to write to, put in the place of `out` when the block ends, or removed if it raises.

    Raises CheckpointError as `check_free` does. What `out` held is gone only once the new folder is
    in its place.
    """
    check_free(out, overwrite=overwrite)
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_name(f".{out.name}.{uuid.uuid4().hex}")
    draft.mkdir()
    try:
        yield draft
        _replace(draft, out)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def copy_description(source: Path, target: Path) -> None:
    """Copy a model folder's config, tokenizer and templates, but no weights."""
    for path in sorted(source.iterdir()):
        if path.suffix in _KEPT and path.name != INDEX and path.is_file():
            shutil.copyfile(path, target / path.name)


def check_free(out: Path, *, overwrite: bool) -> None:
    """Raise CheckpointError if `out` is a file, or holds anything and `overwrite` is not set."""
    if out.exists() and not out.is_dir():
        raise CheckpointError(f"{out}: is a file, not a folder to write to")
    if out.is_dir() and any(out.iterdir()) and not overwrite:
        raise CheckpointError(f"{out}: already holds files; choose another folder or overwrite")


def _replace(draft: Path, out: Path) -> None:
    if not out.exists():
        draft.rename(out)
        return
    old = out.with_name(f".{out.name}.{uuid.uuid4().hex}")
    out.rename(old)
    try:
        draft.rename(out)
    except OSError:
        old.rename(out)
        raise
    shutil.rmtree(old)
