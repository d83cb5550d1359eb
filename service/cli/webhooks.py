"""`cuvee webhook`: have events sent to an address."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Column, Table

from service.cli.options import ADDRESS, Address
from service.cli.output import console, explained
from service.client import Client
from service.webhooks.schemas import WebhookRequest

webhook = typer.Typer(name="webhook", no_args_is_help=True, help="Have events sent to an address.")

WebhookId = Annotated[str, typer.Argument(help="The id that `cuvee webhook list` shows.")]


@webhook.command()
def create(
    receiver: Annotated[str, typer.Argument(help="Where events are sent, https://...")],
    kind: Annotated[
        list[str] | None,
        typer.Option(help="Only events of this kind, such as job.finished; once for each."),
    ] = None,
    job: Annotated[str | None, typer.Option(help="Only this job's events.")] = None,
    url: Address = ADDRESS,
) -> None:
    """Register a webhook; print its id, and its secret, which cannot be shown again."""
    with explained():
        asked = WebhookRequest(url=receiver, kinds=kind or [], job_id=job)
        with Client(url) as client:
            made = client.create_webhook(asked)
        console.print(made.id, made.secret, sep="\n", soft_wrap=True, highlight=False)


@webhook.command("list")
def list_webhooks(url: Address = ADDRESS) -> None:
    """List webhooks with what came of the last delivery."""
    with explained(), Client(url) as client:
        table = Table(Column("id", no_wrap=True), "address", "state", "delivered", "last answer")
        for one in client.webhooks():
            last = one.last_reason or str(one.last_status or "")
            table.add_row(one.id, one.url, one.state, str(one.delivered), last)
        console.print(table)


@webhook.command()
def retry(webhook_id: WebhookId, url: Address = ADDRESS) -> None:
    """Send what failed again at once, also where the webhook has stopped."""
    with explained(), Client(url) as client:
        console.print(client.retry_webhook(webhook_id).state)


@webhook.command()
def delete(webhook_id: WebhookId, url: Address = ADDRESS) -> None:
    """Send nothing more there."""
    with explained(), Client(url) as client:
        client.delete_webhook(webhook_id)
        console.print("deleted")
