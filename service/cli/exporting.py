"""`cuvee export`: a child to a folder, and from there to the hub."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.filesize import decimal
from rich.table import Table

from service.cli.naming import pairs
from service.cli.options import ADDRESS, Address, JobId
from service.cli.output import console, explained
from service.client import Client
from service.exports.schemas import ExportView


def export(
    job: JobId,
    trial: Annotated[
        int | None, typer.Option(min=0, help="Which trial's child; default: the best.")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            help="hub:OWNER/NAME to upload it to that repository too, in one commit. The service's"
            " token is used. An upload that failed goes on where it stopped."
        ),
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="Make a new repository public; else it is private.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be uploaded, and upload nothing.")
    ] = False,
    gguf: Annotated[
        bool, typer.Option("--gguf", help="Write it as a GGUF file too, for llama.cpp and its kin.")
    ] = False,
    parent: Annotated[
        list[str] | None,
        typer.Option(help="NAME=OWNER/NAME: a parent's repository, for the card; once for each."),
    ] = None,
    url: Address = ADDRESS,
) -> None:
    """Write a child's checkpoint and print its folder, or the address of its commit on the hub."""
    with explained(), Client(url) as client:
        with console.status("writing the checkpoint") as status:

            def watch(export: ExportView) -> None:
                if export.state == "uploading" and export.size:
                    uploaded = f"{decimal(export.uploaded)} of {decimal(export.size)}"
                    status.update(f"uploading to {export.repository}: {uploaded}")

            done = client.export(
                job,
                trial,
                watch=watch,
                target=to,
                public=public,
                dry_run=dry_run,
                gguf=gguf,
                parents=pairs("--parent", parent or []),
            )
        if to is not None:
            for warning in done.warnings:
                console.print(f"Mind: {warning}", style="yellow", markup=False, soft_wrap=True)
        if done.dry_run:
            _print_plan(done)
        console.print(done.commit or done.folder, soft_wrap=True)


def _print_plan(export: ExportView) -> None:
    visibility = "public" if export.public else "private"
    console.print(f"To {export.repository}, {visibility} if it is new:", soft_wrap=True)
    table = Table("file", "size")
    for file in export.files:
        table.add_row(file.path, decimal(file.size))
    table.add_row("in all", decimal(sum(file.size for file in export.files)))
    console.print(table)
