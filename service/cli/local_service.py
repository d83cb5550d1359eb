"""A service of its own process, for as long as a command needs one."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from service.client import ApiError

_START_SECONDS = 120.0


@contextmanager
def local_service(
    folder: Path,
    models: Path,
    workers: int,
    console: Console,
    *,
    start_seconds: float = _START_SECONDS,
) -> Iterator[str]:
    """Serve as `cuvee serve --local` does, with its data in `folder`; gives the address.

    Raises ApiError when the service has not started after `start_seconds`.
    """
    announced = folder / "address"
    announced.unlink(missing_ok=True)
    command = [sys.executable, "-m", "service.cli", "serve", "--local", "--port", "0"]
    command += ["--data", str(folder), "--models", str(models), "--workers", str(workers)]
    log_file = folder / "service.log"
    with log_file.open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            with console.status("starting the service and its workers"):
                deadline = time.monotonic() + start_seconds
                while not announced.exists():
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise ApiError([f"the service did not start; see {log_file}"])
                    time.sleep(0.1)
            yield announced.read_text().strip()
        finally:
            process.terminate()
            process.wait(timeout=60)
