"""`cuvee workers`: what every worker does."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.table import Column, Table

from service.cli.options import ADDRESS, Address
from service.cli.output import console, explained
from service.client import Client


def workers(url: Address = ADDRESS) -> None:
    """List the workers, with what each is doing and for how long."""
    with explained(), Client(url) as client:
        table = Table("worker", "node", Column("job or export", no_wrap=True), "work", "seconds")
        now = datetime.now(UTC)
        for one in client.workers():
            subject = one.job_id or one.export_id or ("somebody else's" if one.busy else "")
            spent = "" if one.since is None else f"{(now - one.since).total_seconds():.0f}"
            table.add_row(one.name, one.node or "starting", subject, one.work or "", spent)
        console.print(table)
