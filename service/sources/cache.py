"""The folder that models of the hub are kept in, shared by all jobs and processes.

    org--name/<commit>/             a whole model
    org--name/<commit>.part/        one that is being fetched, unfinished files and all
    org--name/<commit>.described/   what admission looks at: no weights, but what their headers say

A folder's time says when a job last took it up.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from merging.checkpoint import CheckpointInfo, checkpoint_of
from merging.folders import whole_folder
from merging.model_files import read_headers, write_headers
from merging.references import download_place
from service.errors import ServiceError
from service.sources import hub
from service.sources.hub import Grow, Pinned


class NoRoom(ServiceError):
    """The disk budget holds no more models beside those that jobs need."""


def describe(downloads: Path, pinned: Pinned, token: str | None) -> tuple[Pinned, CheckpointInfo]:
    """What a model will be once it is here, by its small files and the headers of its weights.

    Raises SourceError, HubAway, and CheckpointError where it cannot be merged.
    """
    whole = download_place(downloads, pinned.repository, pinned.commit)
    folder = whole.with_name(f"{whole.name}.described")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if not folder.is_dir():
            with whole_folder(folder) as draft:
                for file in pinned.described_by():
                    hub.fetch(pinned, file, draft, token)
                write_headers(draft, hub.headers(hub.without_others(pinned, draft), token))
    return hub.without_others(pinned, folder), checkpoint_of(folder, read_headers(folder))


def fetch(downloads: Path, pinned: Pinned, token: str | None, grow: Grow) -> Path:
    """Have the whole model in its place; what is there is not fetched again.

    Use it under `alone`. Raises SourceError, HubAway, and whatever `grow` does.
    """
    whole = download_place(downloads, pinned.repository, pinned.commit)
    if whole.is_dir():
        grow(pinned.size)
        return whole
    part = whole.with_name(f"{whole.name}.part")
    part.mkdir(parents=True, exist_ok=True)
    # Configuration first, as it says which weights there are.
    for file in [*pinned.described_by(), *pinned.weights()]:
        if (part / file.name).exists():
            grow(file.size)
        else:
            hub.fetch(pinned, file, part, token, grow)
    part.rename(whole)
    return whole


@contextmanager
def alone(downloads: Path) -> Iterator[bool]:
    """Whether this is the only one that fetches or evicts now: for as long as the block lasts."""
    downloads.mkdir(parents=True, exist_ok=True)
    lock = FileLock(downloads / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def has(downloads: Path, repository: str, commit: str) -> bool:
    """Whether the whole model is here."""
    return download_place(downloads, repository, commit).is_dir()


def use(folder: Path) -> None:
    """Say that a job takes the model up now."""
    os.utime(folder)


def make_room(
    downloads: Path, models: Sequence[Pinned], budget: int, needed: Collection[tuple[str, str]]
) -> None:
    """Evict models, the least recently used first, until these ones fit in `budget` bytes.

    Those in `needed`, as (repository, commit), stay. Use it under `alone`. Raises NoRoom.
    """
    places = {download_place(downloads, one.repository, one.commit) for one in models}
    kept = {download_place(downloads, *one) for one in needed} | places
    begun = sum(_size(one) + _size(one.with_name(f"{one.name}.part")) for one in places)
    missing = _size(downloads) + sum(one.size for one in models) - begun - budget
    candidates = [
        folder
        for folder in downloads.glob("*/*/")
        if folder.with_name(folder.name.partition(".")[0]) not in kept
    ]
    for folder in sorted(candidates, key=lambda one: one.stat().st_mtime):
        if missing <= 0:
            return
        missing -= _size(folder)
        shutil.rmtree(folder)
    if missing > 0:
        raise NoRoom(f"{missing} bytes short of room: jobs need the models that are there")


def _size(folder: Path) -> int:
    """Bytes of all files below a folder, which may be changing."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(where) / name).lstat().st_size
            except FileNotFoundError:
                continue
    return total
