"""A disk that is soon full: a file system in memory of a few megabytes."""

from __future__ import annotations

import errno
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_BALLAST = "ballast"
_BLOCK = b"x" * 4096


class SmallDisk:
    """The folder that the disk is mounted at."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        """Take all the room that is left."""
        with (self.folder / _BALLAST).open("ab", buffering=0) as ballast:
            while True:
                try:
                    ballast.write(_BLOCK)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    return

    def free(self) -> None:
        """Give the room back."""
        (self.folder / _BALLAST).unlink()

    @property
    def room(self) -> int:
        """Bytes that are left."""
        return shutil.disk_usage(self.folder).free


@contextmanager
def small_disk(megabytes: int, folder: Path | None = None) -> Iterator[SmallDisk]:
    """Mount one at an empty folder, by default a new one with a short path, for the block.

    The test is skipped where one may not mount anything.
    """
    at = folder or Path(tempfile.mkdtemp(prefix="cuvee-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "none", str(at)]
    mounted = subprocess.run(command, check=False, capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a disk to fill: {mounted.stderr.decode().strip()}")
    try:
        yield SmallDisk(at)
    finally:
        # Whatever a stopped process may still hold open there is no reason to fail.
        subprocess.run(["umount", "--lazy", str(at)], check=True)
        if folder is None:
            at.rmdir()
