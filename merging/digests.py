"""Digests of files, each computed once while the file stays as it is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

# More files than the models of one process have.
_FILES = 1 << 12


def digest_of_files(files: Iterable[tuple[str, Path]]) -> str:
    """SHA-256 over files in order: what each is called, how long it is, and its content."""
    digest = hashlib.sha256()
    for name, path in files:
        digest.update(f"{name}\0{path.stat().st_size}\0{file_digest(path)}\0".encode())
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file, read again only if it was replaced or changed in size or time."""
    status = path.stat()
    return _digest(path.resolve(), status.st_ino, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=_FILES)
def _digest(path: Path, inode: int, size: int, changed: int) -> str:
    # The last three are the file's state, for the cache alone.
    del inode, size, changed
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
