"""`cuvee twin`: one shared model, and as much of each parent's own as a task's prompts ask for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from service.cli.naming import by_parent, pairs
from service.cli.options import (
    BaseFolder,
    FirstItems,
    JsonFile,
    NamedParents,
    Overwrite,
    TasksFolder,
    write_figures,
)
from service.cli.output import add_accuracies, console, explained
from service.errors import Refused


def twin(
    base: BaseFolder,
    parent: NamedParents,
    task: Annotated[
        list[str], typer.Option(help="NAME=TASK that a parent is for; one for each parent.")
    ],
    lambda_: Annotated[
        float, typer.Option("--lambda", help="Factor on the task vectors of the shared model.")
    ] = 0.3,
    density: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Share of directions kept of what is a parent's own."),
    ] = 0.1,
    prompts: Annotated[
        int, typer.Option(min=2, help="How many prompts of each task the router is trained on.")
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="What the router's training draws from.")] = 0,
    tasks_dir: TasksFolder = None,
    items: FirstItems = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write each task's recipe to, as NAME.yaml.")
    ] = None,
    json_file: JsonFile = None,
    overwrite: Overwrite = False,
) -> None:
    """Merge parents into a shared model and their own parts, routed by task; score each task."""
    with explained():
        folders = {name: Path(folder) for name, folder in pairs("--parent", parent).items()}
        tasks = by_parent("--task", task, folders)
        _check(folders, tasks)
        figures = _twin(
            base,
            folders,
            tasks,
            {"lambda": lambda_, "density": density},
            prompts,
            seed,
            tasks_dir,
            items,
            out,
            overwrite=overwrite,
        )
        write_figures(figures, json_file)


def _check(folders: Mapping[str, Path], tasks: Mapping[str, str]) -> None:
    if len(folders) < 2:
        raise Refused("--parent: there is nothing to route between with fewer than two")
    owners: dict[str, str] = {}
    for name in folders:
        if name not in tasks:
            raise Refused(f"--task: none is given for {name!r}")
        other = owners.setdefault(tasks[name], name)
        if other != name:
            raise Refused(
                f"--task: {tasks[name]} is given for {other!r} and {name!r}, "
                "and no router can tell them apart"
            )


def _twin(
    base: Path,
    folders: Mapping[str, Path],
    tasks: Mapping[str, str],
    settings: Mapping[str, float],
    prompts: int,
    seed: int,
    tasks_dir: Path | None,
    items: int | None,
    out: Path | None,
    *,
    overwrite: bool,
) -> dict[str, Any]:
    from merging.folders import check_free, whole_folder
    from service.cli.routing import Routing

    # Training and scoring take long: what would stop the writing is looked at before.
    if out is not None:
        check_free(out, overwrite=overwrite)
    routing = Routing(base, folders, tasks, settings, tasks_dir, items)
    with console.status("training the router"):
        routing.train(prompts, seed)
    table = Table("parent", Column("task, holdout", overflow="fold"), "", "accuracy")
    table.add_column("95 % interval")
    table.add_column("n")
    figures: dict[str, Any] = {}
    for name, one in tasks.items():
        with console.status(f"scoring on {one}"):
            figures[name] = {"task": one, **routing.score(name)}
        scores = {label: figures[name][label] for label in ("parent", "shared", "twin")}
        add_accuracies(table, [[name, one], ["", ""], ["", ""]], scores)
    console.print(table)
    for name, figure in figures.items():
        given = ", ".join(f"{other} {weight:.3f}" for other, weight in figure["weights"].items())
        console.print(f"{tasks[name]}: {figure['routed']:.1%} of prompts go to {name}; {given}")
    if out is not None:
        with whole_folder(out, overwrite=overwrite) as draft:
            for name in tasks:
                recipe = routing.recipe(figures[name]["weights"])
                (draft / f"{name}.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
        console.print(f"Written to {out}", soft_wrap=True)
    return {**settings, "prompts": prompts, "seed": seed, "parents": figures}
