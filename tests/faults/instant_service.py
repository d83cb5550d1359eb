"""`cuvee serve` with workers that answer at once, and that may be killed at a given point.

    python -m tests.faults.instant_service serve --data FOLDER --seconds 0.01 --kill tell:7

kills itself, with SIGKILL, the seventh time that a sampler has just been told of a trial; with
`--freeze` it stops there, with SIGSTOP. The points are where a crash could lose or repeat
something: `ask` has drawn a generation that is not committed, `insert` has written it and not
committed, `dispatch` has handed a trial out, `result` has an answer that is not recorded, `tell`
has changed the sampler's state.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy.orm import object_session

from service.controller import life
from service.server import serve
from service.settings import Settings
from service.tables import Trial
from service.trials import repository as trials
from tests.faults.instant_workers import InstantWorkers
from workers.interface import MakeWorkers
from workers.work import Result

POINTS = ("ask", "insert", "dispatch", "result", "tell")

app = typer.Typer()


@app.callback()
def main() -> None:
    """A service for tests."""


@app.command("serve")
def run(
    data: Annotated[Path, typer.Option()],
    models: Annotated[Path, typer.Option()],
    *,
    workers: int = 2,
    port: int = 0,
    database: str | None = None,
    lease: float = 10.0,
    seconds: float = 0.0,
    kill: Annotated[str | None, typer.Option(help="POINT:COUNT")] = None,
    freeze: Annotated[str | None, typer.Option(help="POINT:COUNT")] = None,
    poison: Annotated[bool, typer.Option("--poison", help="with Ray")] = False,
    local: Annotated[bool, typer.Option("--local")] = False,
) -> None:
    """Serve until a signal ends it."""
    settings = Settings(
        data_dir=data,
        models_dir=models,
        workers=workers,
        port=port,
        database=database,
        lease_seconds=lease,
        local=local,
    )

    @contextmanager
    def instant(_settings: Settings) -> Iterator[MakeWorkers]:
        make: Callable[[], InstantWorkers] = partial(InstantWorkers, workers, seconds)
        for at, number in ((kill, signal.SIGKILL), (freeze, signal.SIGSTOP)):
            if at is not None:
                point, _, count = at.partition(":")
                make = partial(_armed, make, point, int(count), number)
        yield make

    serve(settings, typer.echo, _poisoned if poison else instant)


@contextmanager
def _poisoned(settings: Settings) -> Iterator[MakeWorkers]:
    """Real workers on a Ray of their own, to which some candidates are poison."""
    from tests.faults.poison import PoisonWorker  # noqa: PLC0415
    from workers.cluster import local_cluster  # noqa: PLC0415
    from workers.pool import Pool  # noqa: PLC0415

    with local_cluster(settings.workers):
        yield partial(Pool, settings.workers, settings.worker_memory_bytes, PoisonWorker)


def _armed(
    make: Callable[[], InstantWorkers], point: str, count: int, number: signal.Signals
) -> InstantWorkers:
    """Workers of a process that sends itself a signal when it has passed the point so often."""
    workers = make()
    passed = itertools.count(1)

    def pass_by(*_: object) -> None:
        if next(passed) == count:
            os.kill(os.getpid(), number)

    def pass_by_written(added: list[Trial]) -> None:
        session = object_session(added[0])
        assert session is not None
        session.flush()
        pass_by()

    def pass_by_each(results: Sequence[Result]) -> None:
        for result in results:
            pass_by(result)

    if point == "insert":
        _after(trials, "add_generation", pass_by_written)
    elif point == "dispatch":
        _after(workers, "submit", pass_by)
    elif point == "result":
        _after(workers, "wait", pass_by_each)
    else:
        _after(life, "make_sampler", lambda sampler: _after(sampler, point, pass_by))
    return workers


def _after(owner: Any, name: str, then: Callable[[Any], None]) -> None:
    """Have `then` called with whatever the function or method gives."""
    real = getattr(owner, name)

    def call(*arguments: Any, **options: Any) -> Any:
        answer = real(*arguments, **options)
        then(answer)
        return answer

    setattr(owner, name, call)


if __name__ == "__main__":
    app()
