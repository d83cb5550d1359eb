"""A real service in a process of its own, to be watched, stopped and killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from service.client import Client
from service.jobs.repository import ENDED
from service.jobs.schemas import JobDetail
from tests.waiting import until

REPOSITORY = Path(__file__).parents[1]
_START_SECONDS = 120.0


class ServiceProcess:
    """A command that serves, run from `folder`; a context manager that leaves no process behind.

    `data` is the data folder that the command names, and `environment` what is added to this
    process's own.
    """

    def __init__(
        self,
        command: Sequence[str],
        data: Path,
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self.data = data
        self._command = list(command)
        self._environment = os.environ | dict(environment or {})
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def log(self) -> str:
        """What the service printed so far."""
        return (self.data / "test-service.log").read_text()

    @property
    def pid(self) -> int:
        """The process id of the one that was started last."""
        assert self._process is not None
        return self._process.pid

    @property
    def port(self) -> int:
        """The port on loopback that it answers on now."""
        return int((self.data / "address").read_text().rpartition(":")[2])

    def start(self, *options: str) -> None:
        """Start it, with more options for this once, and wait until it answers."""
        announced = self.data / "address"
        self.data.mkdir(parents=True, exist_ok=True)
        announced.unlink(missing_ok=True)
        with (self.data / "test-service.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command, *options],
                stdout=log,
                stderr=log,
                env=self._environment,
                cwd=self._folder,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not announced.exists():
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)

    def client(self) -> Client:
        """A client of it, where it answers now."""
        return Client((self.data / "address").read_text().strip())

    def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is tidied up."""
        self._signal(signal.SIGKILL)

    def freeze(self) -> None:
        """SIGSTOP: it stands still wherever it is, until `thaw`."""
        os.kill(self.pid, signal.SIGSTOP)

    def wait_until_frozen(self, seconds: float = 60.0) -> None:
        """Return once it stands still."""
        until(lambda: " T " in Path(f"/proc/{self.pid}/stat").read_text(), seconds)

    def thaw(self) -> None:
        """SIGCONT: it goes on as if no time had passed."""
        os.kill(self.pid, signal.SIGCONT)

    def wait_until_killed(self, seconds: float = 60.0) -> None:
        """Return once SIGKILL has ended it."""
        assert self._process is not None
        assert self._process.wait(seconds) == -signal.SIGKILL, self.log

    def stop(self) -> None:
        """SIGTERM, and wait until it has ended."""
        self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, number)
            # One that is frozen takes no other signal than SIGKILL until it goes on.
            os.kill(self._process.pid, signal.SIGCONT)
            self._process.wait(timeout=60)


class RunningService(ServiceProcess):
    """`cuvee serve` on a data folder.

    `database` is a URL, by default SQLite in the data folder. `module` may be another one that
    takes the same options, and `options` are more of them.
    """

    def __init__(
        self,
        data: Path,
        *,
        models: Path = REPOSITORY,
        tasks: Path | None = None,
        workers: int = 2,
        database: str | None = None,
        module: str = "service.cli",
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        command = [sys.executable, "-m", module, "serve", "--local", "--port", "0", *options]
        command += ["--data", str(data), "--models", str(models), "--workers", str(workers)]
        if tasks is not None:
            command += ["--tasks", str(tasks)]
        if database is not None:
            command += ["--database", database]
        super().__init__(command, data, environment=environment)


def finish(client: Client, spec: Path) -> JobDetail:
    """The job of a spec once it is finished."""
    job = wait_for_end(client, client.submit(spec).id)
    assert job.state == "finished", job.reason
    return job


def wait_for_end(client: Client, job_id: str, seconds: float = 240.0) -> JobDetail:
    """The job once it has ended."""
    deadline = time.monotonic() + seconds
    while (job := client.job(job_id)).state not in ENDED:
        assert time.monotonic() < deadline, f"still {job.state}, {job.phase}"
        time.sleep(0.1)
    return job


def wait_for_trials(client: Client, job_id: str, count: int, seconds: float = 120.0) -> None:
    """Return once the job has at least `count` ended trials."""
    deadline = time.monotonic() + seconds
    while True:
        job = client.job(job_id)
        if job.trials_finished + job.trials_failed >= count:
            return
        assert time.monotonic() < deadline, f"only {job.trials_finished} trials"
        time.sleep(0.02)
