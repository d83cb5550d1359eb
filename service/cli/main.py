"""The commands of `cuvee`, each a few lines over the API's client."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from service.cli.compress import compress, decompress
from service.cli.experts import merge_experts
from service.cli.exporting import export
from service.cli.importing import import_recipe
from service.cli.options import Address, JobId, JsonFile, TasksFolder
from service.cli.output import console, explained
from service.cli.twin import twin
from service.client import Client
from service.jobs.repository import PRIORITY
from service.settings import Settings

app = typer.Typer(
    name="cuvee",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Search for model-merge recipes: submit a search, watch it, export the best child.",
)

Priority = Annotated[
    int, typer.Option(min=1, max=100, help="Its share of the workers among the jobs there are.")
]
_ADDRESS = "http://127.0.0.1:8642"


@app.command()
def serve(
    data_dir: Annotated[
        Path | None, typer.Option("--data", help="Folder of the database and the exports.")
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(
            help="URL of a PostgreSQL database, postgresql+psycopg://user@host/name; default: "
            "SQLite, in the data folder."
        ),
    ] = None,
    models_dir: Annotated[
        Path | None, typer.Option("--models", help="Folder that model references are relative to.")
    ] = None,
    tasks_dir: TasksFolder = None,
    host: Annotated[str | None, typer.Option(help="Loopback address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 picks a free one.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that evaluate candidates, one CPU each.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda.")] = None,
) -> None:
    """Run the service and its dashboard; unfinished jobs go on by themselves.

    Every option is also an environment variable, CUVEE_DATA_DIR for --data and so on.
    """
    from service.server import serve as run

    given: dict[str, Any] = {
        "data_dir": data_dir,
        "database": database,
        "models_dir": models_dir,
        "tasks_dir": tasks_dir,
        "host": host,
        "port": port,
        "workers": workers,
        "device": device,
    }
    with explained():
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
        run(settings, lambda address: console.print(f"Cuvee serves at {address}", soft_wrap=True))


@app.command()
def submit(
    spec: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A SearchSpec, YAML.")],
    url: Address = _ADDRESS,
    follow: Annotated[bool, typer.Option("--watch", help="Watch the job to its end.")] = False,
    priority: Priority = PRIORITY,
) -> None:
    """Submit a search job and print its id."""
    with explained(), Client(url) as client:
        job = client.submit(spec, priority)
        console.print(job.id)
        if follow:
            _watch(client, job.id)


@app.command()
def watch(job: JobId, url: Address = _ADDRESS) -> None:
    """Follow a job to its end, then print how its winner compares."""
    with explained(), Client(url) as client:
        _watch(client, job)


@app.command("jobs")
def list_jobs(url: Address = _ADDRESS) -> None:
    """List the latest jobs."""
    with explained(), Client(url) as client:
        # The id is there to be copied: it is never cut short.
        table = Table(Column("job", no_wrap=True, min_width=32), "name", "state", "trials", "best")
        for job in client.jobs():
            done = job.trials_finished + job.trials_failed
            best = f"{job.best.fitness:.3f}" if job.best else ""
            trials = f"{done}/{job.trials_total or '?'}"
            table.add_row(job.id, job.name, job.state, trials, best)
        console.print(table)


@app.command()
def cancel(job: JobId, url: Address = _ADDRESS) -> None:
    """Stop a job; what it has scored stays."""
    with explained(), Client(url) as client:
        console.print(client.cancel(job).state)


@app.command()
def extend(
    job: JobId,
    trials: Annotated[int | None, typer.Option(min=1, help="So many trials more.")] = None,
    items: Annotated[int | None, typer.Option(min=1, help="So many items more.")] = None,
    tokens: Annotated[int | None, typer.Option(min=1, help="So many tokens more.")] = None,
    seconds: Annotated[float | None, typer.Option(help="So many seconds more.")] = None,
    url: Address = _ADDRESS,
    follow: Annotated[bool, typer.Option("--watch", help="Watch the job to its end.")] = False,
) -> None:
    """Give a finished job's last stage more budget; its search goes on where it stopped."""
    more = {"trials": trials, "items": items, "tokens": tokens, "seconds": seconds}
    with explained(), Client(url) as client:
        given = {name: amount for name, amount in more.items() if amount is not None}
        console.print(client.extend(job, **given).state)
        if follow:
            _watch(client, job)


@app.command("priority")
def set_priority(
    job: JobId,
    value: Annotated[int, typer.Argument(min=1, max=100, help="Its share of the workers.")],
    url: Address = _ADDRESS,
) -> None:
    """Give a job another share of the workers."""
    with explained(), Client(url) as client:
        console.print(client.set_priority(job, value).priority)


@app.command()
def demo(
    folder: Annotated[
        Path | None, typer.Option(help="Where to keep everything; default: a temporary folder.")
    ] = None,
    json_file: JsonFile = None,
    spec: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Another spec to run.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that evaluate candidates.")] = 2,
) -> None:
    """Run the whole product once: search the bundled parents for a child that beats them all."""
    from service.cli.demo import run_demo

    with explained():
        run_demo(console, folder, json_file, spec, workers)


app.command()(export)
app.command("import")(import_recipe)
app.command()(compress)
app.command()(decompress)
app.command()(merge_experts)
app.command()(twin)


def _watch(client: Client, job_id: str) -> None:
    from service.cli.watching import follow_job

    ended = follow_job(console, client, job_id)
    if ended.state != "finished":
        raise typer.Exit(1)
