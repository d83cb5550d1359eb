"""Options that several commands have, and the file of figures that `--json` asks for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

JobId = Annotated[str, typer.Argument(help="The job's id, as `cuvee submit` printed it.")]
BaseFolder = Annotated[Path, typer.Option(help="Folder of the model that the parents come from.")]
NamedParents = Annotated[
    list[str], typer.Option(help="NAME=FOLDER of a fine-tuned model; once for each.")
]
TasksFolder = Annotated[
    Path | None, typer.Option("--tasks", help="Folder of your own tasks (JSONL, lm-eval YAML).")
]
FirstItems = Annotated[
    int | None, typer.Option(min=1, help="Score the first so many items of a split only.")
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", help="Also write the figures to this file.")
]
Address = Annotated[str, typer.Option("--url", envvar="CUVEE_URL", help="The service's address.")]
ADDRESS = "http://127.0.0.1:8642"
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what the folder holds.")]


def write_figures(figures: Mapping[str, Any], file: Path | None) -> None:
    """Write figures as JSON, if there is a file to write them to."""
    if file is not None:
        file.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n")
