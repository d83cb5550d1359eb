"""Where commands print, and how errors and accuracies look there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from evaluators.errors import EvaluatorError
from merging.errors import MergingError
from service.client import ApiError
from service.errors import Refused

console = Console()
_errors = Console(stderr=True)


@contextmanager
def explained() -> Iterator[None]:
    """One clear line an error, and exit code 1; never a traceback for what a user can mend."""
    try:
        yield
    except ApiError as error:
        for line in error.lines:
            _errors.print(line, style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error
    except ValidationError as error:
        for entry in error.errors():
            field = ".".join(str(part) for part in entry["loc"])
            _errors.print(f"{field}: {entry['msg']}", style="red", markup=False, highlight=False)
        raise typer.Exit(1) from error
    except (Refused, MergingError, EvaluatorError, OSError) as error:
        _errors.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error


def add_accuracies(
    table: Table, headings: Sequence[Sequence[str]], figures: Mapping[str, Mapping[str, float]]
) -> None:
    """Add a row for each label: its heading, the label, accuracy, interval and n."""
    for heading, (label, figure) in zip(headings, figures.items(), strict=True):
        interval = f"{figure['low']:.1%} – {figure['high']:.1%}"
        table.add_row(*heading, label, f"{figure['accuracy']:.1%}", interval, str(figure["n"]))
