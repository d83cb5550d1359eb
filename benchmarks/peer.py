"""mergekit in an environment of its own, and a process there that merges on request."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.process import LineProcess

VERSION = "0.1.5"
_SERVER = Path(__file__).with_name("peer_server.py")
_CONSTRAINTS = Path(__file__).parent.parent / "constraints.txt"


def environment(folder: Path) -> Path:
    """The python of an environment with mergekit, made in `folder` if it is not there."""
    python = folder / "bin" / "python"
    done = folder / f".mergekit-{VERSION}"
    if not done.exists():
        print(f"installing mergekit {VERSION} into {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "-c", _CONSTRAINTS]
        # torch first and at its pinned version, so that mergekit does not ask for another.
        subprocess.run([*install, "torch"], check=True)
        subprocess.run([*install, f"mergekit=={VERSION}"], check=True)
        done.touch()
    return python


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
