"""`cuvee hub-token`: the caller's own token for the Hugging Face hub."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from pydantic import SecretStr

from service.cli.options import ADDRESS, Address
from service.cli.output import console, explained
from service.client import Client

hub_token = typer.Typer(
    name="hub-token",
    no_args_is_help=True,
    help="Your token for the Hugging Face hub, which the service uses for you alone.",
)


@hub_token.command("set")
def set_token(
    file: Annotated[
        typer.FileText | None,
        typer.Option("--file", help="Where it is; default: what you type, or standard input."),
    ] = None,
    url: Address = ADDRESS,
) -> None:
    """Give the service your token. It keeps it sealed, and shows it to nobody."""
    if file is not None:
        text = file.read()
    elif sys.stdin.isatty():
        text = typer.prompt("Token", hide_input=True)
    else:
        text = sys.stdin.read()
    with explained(), Client(url) as client:
        client.set_hub_credential(SecretStr(text.strip()))
        console.print("kept")


@hub_token.command()
def status(url: Address = ADDRESS) -> None:
    """Say whether the service has a token of yours, and since when."""
    with explained(), Client(url) as client:
        found = client.hub_credential()
        console.print(f"set at {found.set_at:%Y-%m-%d %H:%M}" if found.set_at else "none")


@hub_token.command()
def delete(url: Address = ADDRESS) -> None:
    """Have the service forget your token."""
    with explained(), Client(url) as client:
        client.delete_hub_credential()
        console.print("deleted")
