"""mergekit in an environment of its own, and a process there that answers line by line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

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


class Peer:
    """mergekit in a process that keeps its models loaded, as mergekit-evolve does in memory."""

    def __init__(self, python: Path, threads: int) -> None:
        self._process = subprocess.Popen(
            [python, _SERVER, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()

    def merge(self, config: str, *, out: Path | None = None, seed: int = 0) -> float:
        """Merge a configuration (YAML) into memory; the seconds it took.

        With `out`, the child's tensors are written there afterwards. Raises RuntimeError with
        mergekit's reason.
        """
        request = {"config": config, "out": None if out is None else str(out), "seed": seed}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "the process ended"}
        if "error" in answer:
            raise RuntimeError(answer["error"])
        seconds: float = answer["seconds"]
        return seconds
