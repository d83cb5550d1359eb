"""mergekit in an environment of its own, and processes there that merge or search on request."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.process import LineProcess

VERSION = "0.1.5"
_SERVER = Path(__file__).with_name("peer_server.py")
_ROOT = Path(__file__).parent.parent
_CONSTRAINTS = _ROOT / "constraints.txt"
# What a search needs beside merging; the last is for the task's own scoring.
_SEARCHING = ("cma", "lm_eval", "py3langid")


def environment(folder: Path) -> Path:
    """The python of an environment with mergekit, made in `folder` if it is not there."""
    python = folder / "bin" / "python"
    done = folder / f".mergekit-{VERSION}"
    if not done.exists():
        print(f"installing mergekit {VERSION} into {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        # torch first and at its pinned version, so that mergekit does not ask for another.
        _install(python, "torch")
        _install(python, f"mergekit=={VERSION}")
        done.touch()
    return python


def searching_environment(folder: Path) -> Path:
    """The same with what mergekit-evolve searches with: pycma, and lm-eval for fitness."""
    python = environment(folder)
    done = folder / ".searching"
    if not done.exists():
        print(f"installing {', '.join(_SEARCHING)} into {folder}", file=sys.stderr)
        _install(python, *_SEARCHING)
        done.touch()
    return python


def _install(python: Path, *packages: str) -> None:
    command: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "-c", _CONSTRAINTS]
    subprocess.run([*command, *packages], check=True)


class Peer(LineProcess):
    """mergekit in a process that keeps its models loaded, as mergekit-evolve does in memory."""

    def __init__(self, python: Path, threads: int) -> None:
        super().__init__([python, _SERVER, str(threads)])

    def merge(self, config: str, *, out: Path | None = None, seed: int = 0) -> float:
        """Merge a configuration (YAML) into memory; the seconds it took.

        With `out`, the child's tensors are written there afterwards. Raises RuntimeError with
        mergekit's reason.
        """
        request = {"config": config, "out": None if out is None else str(out), "seed": seed}
        return float(self.ask(request)["seconds"])


class SearchingPeer(LineProcess):
    """mergekit-evolve's search, one candidate an answer: see `benchmarks.search_peer`."""

    def __init__(self, python: Path, settings: Mapping[str, Any]) -> None:
        super().__init__([python, "-m", "benchmarks.search_peer", json.dumps(settings)], _ROOT)
