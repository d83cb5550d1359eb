"""Where the real benchmark items are, which the repository does not carry."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def shared_data(*parts: str) -> Path:
    """A file under CUVEE_SHARED_DATA, or under shared/data beside the repository; skips without."""
    root = Path(__file__).parents[2]
    folder = Path(os.environ.get("CUVEE_SHARED_DATA", root.parent / "shared" / "data"))
    path = folder.joinpath(*parts)
    if not path.is_file():
        pytest.skip(f"no {'/'.join(parts)} under CUVEE_SHARED_DATA or ../shared/data")
    return path
