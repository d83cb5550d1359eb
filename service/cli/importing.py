"""`cuvee import`: a recipe of others as a search that starts from it, or an evaluation of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from merging.errors import CheckpointError
from merging.references import cached_snapshot
from search.errors import FieldError
from service.cli.naming import pairs
from service.cli.options import ADDRESS, Address
from service.cli.output import console, explained
from service.client import Client
from service.errors import Refused


def import_recipe(
    source: Annotated[
        str,
        typer.Argument(
            help="A mergekit YAML, a model card (README.md), a folder with either, or"
            " hub:OWNER/NAME[@REVISION]."
        ),
    ],
    task: Annotated[list[str], typer.Option(help="TASK to score on; once for each.")],
    models_dir: Annotated[
        Path, typer.Option("--models", help="The service's folder of models.")
    ] = Path(),
    model: Annotated[
        list[str] | None,
        typer.Option(help="NAME=REF: what the models folder calls a model of the recipe."),
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="Trials of the search.")] = 100,
    evaluate: Annotated[
        bool, typer.Option("--evaluate", help="Score the recipe alone, beside its models.")
    ] = False,
    layer_groups: Annotated[
        int, typer.Option(min=1, help="Layer groups to search, where all layers start alike.")
    ] = 4,
    name: Annotated[str, typer.Option(help="The job's name.")] = "imported",
    out: Annotated[
        Path | None, typer.Option(help="File to write the spec to; default: print it.")
    ] = None,
    submit: Annotated[bool, typer.Option("--submit", help="Submit the job and print its id.")] = (
        False
    ),
    url: Address = ADDRESS,
) -> None:
    """Turn a mergekit recipe or a model card's into a job that starts from it."""
    from service.imports.sources import read_source
    from service.imports.starting import starting_spec
    from service.models import resolve

    with explained():
        steps = read_source(source)
        given = pairs("--model", model or [])
        used = dict.fromkeys(one for recipe in steps.values() for one in recipe.model_names())
        unknown = [one for one in given if one not in used]
        if unknown:
            listed = ", ".join(used)
            raise Refused(f"--model: the recipe has no model {unknown[0]!r}; it has: {listed}")
        references = {
            one: given.get(one) or _reference(one, models_dir) for one in used if one not in steps
        }
        checkpoints = {}
        for one, ref in references.items():
            found = resolve(ref, models_dir, f"model {one}")
            if isinstance(found, FieldError):
                raise Refused(f"{found}; say where it is with --model {one}=REF")
            checkpoints[one] = found
        spec = starting_spec(
            steps,
            checkpoints,
            references,
            task,
            name=name,
            trials=1 if evaluate else trials,
            layer_groups=layer_groups,
        )
        text = spec.to_yaml()
        if out is not None:
            out.write_text(text, encoding="utf-8")
        elif not submit:
            typer.echo(text, nl=False)
        if submit:
            with Client(url) as client:
                console.print(client.submit(text).id)


def _reference(model: str, models_dir: Path) -> str:
    """A model's own name, or where that is a repository without a revision, the one whose main
    branch lies in the local cache."""
    if (models_dir / model).exists() or "@" in model:
        return model
    try:
        return f"{model}@{cached_snapshot(model, 'main').name}"
    except CheckpointError:
        return model
