"""`cuvee quota`: how much an owner may have, and has."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from service.cli.options import ADDRESS, Address
from service.cli.output import console, explained
from service.client import Client
from service.quotas.schemas import QuotasRequest, QuotasView

quota = typer.Typer(name="quota", no_args_is_help=True, help="How much an owner may have, and has.")

Owner = Annotated[str, typer.Argument(help="Whose; only an administrator asks for others.")]
Most = Annotated[int | None, typer.Option(min=0)]


@quota.command()
def show(
    owner: Annotated[str | None, typer.Argument(help="Whose; default: yours.")] = None,
    url: Address = ADDRESS,
) -> None:
    """Show quotas, and what is used of each."""
    with explained(), Client(url) as client:
        _print(client.quotas(owner))


@quota.command("set")
def set_quotas(
    owner: Owner,
    running_jobs: Most = None,
    queued_jobs: Most = None,
    trials_per_day: Most = None,
    export_bytes: Most = None,
    url: Address = ADDRESS,
) -> None:
    """Say what one owner may have; what is left out is as for everybody."""
    asked = QuotasRequest(
        running_jobs=running_jobs,
        queued_jobs=queued_jobs,
        trials_per_day=trials_per_day,
        export_bytes=export_bytes,
    )
    with explained(), Client(url) as client:
        _print(client.set_quotas(owner, asked))


def _print(found: QuotasView) -> None:
    table = Table("quota", "used", "limit", title=f"Quotas of {found.owner}")
    for name in QuotasRequest.model_fields:
        one = getattr(found, name)
        table.add_row(name, f"{one.used:,}", "none" if one.limit is None else f"{one.limit:,}")
    console.print(table)
