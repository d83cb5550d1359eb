"""`cuvee compress` and `cuvee decompress`: many fine-tuned models in little more than two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.filesize import decimal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
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

if TYPE_CHECKING:
    from merging.tall_masks.writing import Models
    from service.cli.fidelity import Bench

AUTO = "auto"


def compress(
    base: BaseFolder,
    parent: NamedParents,
    out: Annotated[Path, typer.Option(help="Folder to write the archive to.")],
    lambda_: Annotated[
        list[str] | None,
        typer.Option(
            "--lambda",
            help="Threshold of the masks, or auto: the best of 0.2 to 0.6 on the task's select"
            " split. VALUE for all parents or NAME=VALUE for one. Default: 0.4.",
        ),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(help="TASK that every parent is scored on, or NAME=TASK for one."),
    ] = None,
    tasks_dir: TasksFolder = None,
    items: FirstItems = None,
    json_file: JsonFile = None,
    overwrite: Overwrite = False,
) -> None:
    """Store fine-tuned models as their base, one merged task vector and a bit mask each.

    With a task, every parent is scored on its holdout split, before and as the archive keeps it.
    """
    with explained():
        folders = {name: Path(folder) for name, folder in pairs("--parent", parent).items()}
        thresholds = by_parent("--lambda", lambda_ or ["0.4"], folders)
        tasks = by_parent("--task", task or [], folders)
        _check_thresholds(thresholds, folders, tasks)
        figures = _compress(
            base, folders, out, thresholds, tasks, tasks_dir, items, overwrite=overwrite
        )
        write_figures(figures, json_file)


def decompress(
    archive: Annotated[Path, typer.Argument(help="A folder that `cuvee compress` wrote.")],
    parent: Annotated[str, typer.Option(help="Name of the parent to restore.")],
    out: Annotated[Path, typer.Option(help="Folder to write the checkpoint to.")],
    overwrite: Overwrite = False,
) -> None:
    """Restore a parent from an archive, as an ordinary checkpoint, and print its folder."""
    from merging.tall_masks.reading import ArchivedParent

    with explained():
        with _bar("tensors") as (progress, bar):
            ArchivedParent(archive, parent).restore(
                out,
                overwrite=overwrite,
                report=lambda done, total: progress.update(bar, completed=done, total=total),
            )
        console.print(str(out), soft_wrap=True)


def _compress(
    base: Path,
    folders: Mapping[str, Path],
    out: Path,
    thresholds: Mapping[str, str],
    tasks: Mapping[str, str],
    tasks_dir: Path | None,
    items: int | None,
    *,
    overwrite: bool,
) -> dict[str, Any]:
    from merging.folders import check_free
    from merging.tall_masks.reading import ArchivedParent
    from merging.tall_masks.writing import Models
    from merging.tall_masks.writing import compress as write_archive
    from service.cli.fidelity import Bench

    # Scoring takes long: what would stop the writing is looked at before.
    check_free(out, overwrite=overwrite)
    models = Models(base, folders)
    benches = {name: Bench(folders[name], [one], tasks_dir, items) for name, one in tasks.items()}
    chosen = {
        name: _best_lambda(models, name, benches[name], tasks[name])
        if given == AUTO
        else float(given)
        for name, given in thresholds.items()
    }
    with _bar("tensors") as (progress, bar):
        sizes = write_archive(
            models,
            chosen,
            out,
            overwrite=overwrite,
            report=lambda done, total: progress.update(bar, completed=done, total=total),
        )
    parents: dict[str, dict[str, Any]] = {name: {"lambda": chosen[name]} for name in folders}
    for name, bench in benches.items():
        with console.status(f"scoring {name} on the holdout split of {tasks[name]}"):
            before = bench.accuracy(bench.parent.tensor, tasks[name], "holdout")
            archived = bench.accuracy(ArchivedParent(out, name).tensor, tasks[name], "holdout")
        parents[name] |= {"task": tasks[name], "before": before, "archived": archived}
    console.print(_table(parents))
    console.print(
        f"Weights of the {len(folders)} parents: {decimal(sizes.parents)};"
        f" archive: {decimal(sizes.archive)}, {sizes.ratio:.1%} of that."
    )
    console.print(f"Written to {out}", soft_wrap=True)
    return {
        "parents_bytes": sizes.parents,
        "archive_bytes": sizes.archive,
        "ratio": sizes.ratio,
        "parents": parents,
    }


def _best_lambda(models: Models, parent: str, bench: Bench, task: str) -> float:
    """The lambda of the best accuracy on select; of equal ones the lowest, which keeps most."""
    from merging.tall_masks.masks import LAMBDAS

    found: list[tuple[float, float]] = []
    with _bar(f"lambdas for {parent}") as (progress, bar):
        for value in progress.track(LAMBDAS, task_id=bar):
            kept = partial(models.restored, parent, threshold=value)
            found.append((-bench.accuracy(kept, task, "select")["accuracy"], value))
    return min(found)[1]


def _table(parents: Mapping[str, Mapping[str, Any]]) -> Table:
    task = Column("task, holdout", overflow="fold")
    table = Table("parent", task, "", "accuracy", "95 % interval", "n")
    for name, figures in parents.items():
        threshold = f"lambda {figures['lambda']:g}"
        if "task" in figures:
            scores = {one: figures[one] for one in ("before", "archived")}
            add_accuracies(table, [[name, figures["task"]], [threshold, ""]], scores)
        else:
            table.add_row(name)
            table.add_row(threshold)
    return table


@contextmanager
def _bar(what: str) -> Iterator[tuple[Progress, Any]]:
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn(what), TimeElapsedColumn())
    # Where nobody watches it would leave an empty line before what the command prints.
    shown = console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=not shown) as progress:
        yield progress, progress.add_task(what, total=None)


def _check_thresholds(
    thresholds: Mapping[str, str], parents: Mapping[str, Path], tasks: Mapping[str, str]
) -> None:
    for name in parents:
        given = thresholds.get(name)
        if given is None:
            raise Refused(f"--lambda: none is given for {name!r}")
        if given == AUTO and name not in tasks:
            raise Refused(f"--lambda: auto needs a --task to score {name!r} on")
        if given != AUTO and not _is_threshold(given):
            raise Refused(f"--lambda: must be a number from 0 or auto, not {given!r}")


def _is_threshold(text: str) -> bool:
    try:
        return 0 <= float(text) < float("inf")
    except ValueError:
        return False
