"""The commands of `cuvee`, each a few lines over the API's client."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.filesize import decimal
from rich.table import Column, Table

from service.cli.compress import compress, decompress
from service.cli.credentials import hub_token
from service.cli.experts import merge_experts
from service.cli.exporting import export
from service.cli.importing import import_recipe
from service.cli.options import ADDRESS, Address, JobId, JsonFile, TasksFolder
from service.cli.output import console, explained
from service.cli.quotas import quota
from service.cli.tokens import token
from service.cli.twin import twin
from service.cli.webhooks import webhook
from service.cli.workers import workers as list_workers
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
    local: Annotated[
        bool | None, typer.Option("--local", help="Ask nobody on this machine for a token.")
    ] = None,
) -> None:
    """Run the service and its dashboard; unfinished jobs go on by themselves.

    Whoever calls it needs a token (`cuvee token create`), unless it is started with --local. Every
    option is also an environment variable, CUVEE_DATA_DIR for --data and so on.
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
        "local": local,
    }
    with explained():
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
        run(settings, lambda address: console.print(f"Cuvee serves at {address}", soft_wrap=True))


@app.command()
def submit(
    spec: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A SearchSpec, YAML.")],
    url: Address = ADDRESS,
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
def watch(job: JobId, url: Address = ADDRESS) -> None:
    """Follow a job to its end, then print how its winner compares."""
    with explained(), Client(url) as client:
        _watch(client, job)


@app.command()
def validate(
    spec: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A SearchSpec, YAML.")],
    url: Address = ADDRESS,
) -> None:
    """Check a spec without running it, and print what it would search over and cost."""
    with explained(), Client(url) as client:
        found = client.validate(spec)
        table = Table("stage", "genes", "trials", "items, at most", "tokens, at most")
        for stage in found.stages:
            limits = (stage.trials, stage.items, stage.tokens)
            amounts = ("?" if limit is None else f"{limit:,}" for limit in limits)
            table.add_row(stage.name, str(stage.dimension), *amounts)
        console.print(table)
        parents, child = (decimal(size) for size in (found.memory.parents, found.memory.child))
        console.print(f"Weights: {parents} of parents, and {child} for each worker's child.")


@app.command("jobs")
def list_jobs(
    state: Annotated[str | None, typer.Option(help="Only jobs in this state.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only jobs with this tag.")] = None,
    name: Annotated[str | None, typer.Option(help="Only jobs with this in their name.")] = None,
    count: Annotated[int, typer.Option("--last", min=1, help="How many, at most.")] = 100,
    url: Address = ADDRESS,
) -> None:
    """List the latest jobs."""
    given = {"state": state, "tag": tag, "name": name}
    filters = {key: value for key, value in given.items() if value is not None}
    with explained(), Client(url) as client:
        # The id is there to be copied: it is never cut short.
        table = Table(Column("job", no_wrap=True, min_width=32), "name", "state", "trials", "best")
        for job in itertools.islice(client.jobs(**filters), count):
            done = job.trials_finished + job.trials_failed
            best = f"{job.best.fitness:.3f}" if job.best else ""
            trials = f"{done}/{job.trials_total or '?'}"
            table.add_row(job.id, job.name, job.state, trials, best)
        console.print(table)


@app.command()
def pause(
    job: JobId,
    at_once: Annotated[
        bool, typer.Option("--now", help="Give up what is being evaluated; it is begun anew later.")
    ] = False,
    url: Address = ADDRESS,
) -> None:
    """Let a job rest, once what is being evaluated has ended."""
    with explained(), Client(url) as client:
        console.print(client.pause(job, now=at_once).state)


@app.command()
def resume(job: JobId, url: Address = ADDRESS) -> None:
    """Let a paused job go on where it was."""
    with explained(), Client(url) as client:
        console.print(client.resume(job).state)


@app.command()
def delete(job: JobId, url: Address = ADDRESS) -> None:
    """Delete an ended job with all that it scored; exported checkpoints stay."""
    with explained(), Client(url) as client:
        client.delete(job)
        console.print("deleted")


@app.command()
def cancel(job: JobId, url: Address = ADDRESS) -> None:
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
    url: Address = ADDRESS,
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
    url: Address = ADDRESS,
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


@app.command()
def key() -> None:
    """Print a fresh key for CUVEE_SECRET_KEY, which the database's secrets are sealed under."""
    from service.sealing import new_key

    console.print(new_key(), soft_wrap=True, highlight=False)


app.command("workers")(list_workers)
app.command()(export)
app.command("import")(import_recipe)
app.command()(compress)
app.command()(decompress)
app.command()(merge_experts)
app.command()(twin)
app.add_typer(token)
app.add_typer(webhook)
app.add_typer(hub_token)
app.add_typer(quota)


def _watch(client: Client, job_id: str) -> None:
    from service.cli.watching import follow_job

    ended = follow_job(console, client, job_id)
    if ended.state != "finished":
        raise typer.Exit(1)
