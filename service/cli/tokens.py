"""`cuvee token`: create, list and revoke API tokens.

With `--data` they are made in a data folder on this machine, which is how the first one is; without
it, by a service, for a caller whose own token has the scope admin.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table
from sqlalchemy.orm import Session

from service.accounts import repository as tokens
from service.accounts.schemas import TokenRequest, TokenView
from service.audit import repository as audit
from service.cli.options import ADDRESS, Address
from service.cli.output import console, explained
from service.client import ApiError, Client
from service.database import Database
from service.errors import NotFound
from service.settings import Settings

token = typer.Typer(name="token", no_args_is_help=True, help="Create, list and revoke API tokens.")

DataFolder = Annotated[
    Path | None,
    typer.Option("--data", help="Work on this data folder itself; no service needs to run."),
]
_SCOPES = ("jobs:read", "jobs:write", "export")


@token.command()
def create(
    owner: Annotated[str, typer.Argument(help="Whose jobs it is for.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="jobs:read, jobs:write, export or admin, once for each; default: all but admin."
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
    days: Annotated[
        float | None, typer.Option(min=0.001, max=36500, help="How long it works; default: always.")
    ] = None,
    data: DataFolder = None,
    url: Address = ADDRESS,
) -> None:
    """Create a token and print it. It is not kept and cannot be shown again."""
    with explained():
        fields: dict[str, Any] = {"owner": owner, "scopes": scope or _SCOPES, "name": name}
        if days is not None:
            fields["expires_at"] = datetime.now(UTC) + timedelta(days=days)
        asked = TokenRequest.model_validate(fields)
        if data is None:
            with Client(url) as client:
                secret = client.create_token(asked).token
        else:
            with _folder(data, "token create") as session:
                _, secret = tokens.create(session, **dict(asked))
        console.print(secret, soft_wrap=True, highlight=False)


@token.command("list")
def list_tokens(data: DataFolder = None, url: Address = ADDRESS) -> None:
    """List every token, without its secret."""
    with explained():
        if data is None:
            with Client(url) as client:
                found = client.tokens()
        else:
            with _folder(data, None) as session:
                found = [TokenView.model_validate(one) for one in tokens.all_of(session)]
        table = Table(
            Column("id", no_wrap=True), "owner", "name", "scopes", "expires", "last used", "revoked"
        )
        for one in found:
            moments = (one.expires_at, one.last_used_at, one.revoked_at)
            written = ("" if at is None else f"{at:%Y-%m-%d %H:%M}" for at in moments)
            table.add_row(one.id, one.owner, one.name, " ".join(one.scopes), *written)
        console.print(table)


@token.command()
def revoke(
    token_id: Annotated[str, typer.Argument(help="The id that `cuvee token list` shows.")],
    data: DataFolder = None,
    url: Address = ADDRESS,
) -> None:
    """End a token, and every session that began with it, for good."""
    with explained():
        if data is None:
            with Client(url) as client:
                client.revoke_token(token_id)
        else:
            try:
                with _folder(data, f"token revoke {token_id}") as session:
                    tokens.revoke(session, token_id)
            except NotFound as error:
                raise ApiError([str(error)]) from error
        console.print("revoked")


@contextmanager
def _folder(data: Path, action: str | None) -> Iterator[Session]:
    """A transaction on a data folder's database, in the audit log if it is an action."""
    data.mkdir(parents=True, exist_ok=True)
    database = Database(Settings(data_dir=data).database_url)
    try:
        database.migrate()
        with database.transaction() as session:
            yield session
            if action is not None:
                audit.append(session, "operator", None, f"cuvee {action}", str(data))
    finally:
        database.close()
