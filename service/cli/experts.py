"""`cuvee merge-experts`: a mixture of experts with fewer distinct ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from service.cli.options import FirstItems, JsonFile, Overwrite, TasksFolder, write_figures
from service.cli.output import add_accuracies, console, explained


def merge_experts(
    model: Annotated[Path, typer.Argument(help="Folder of a Mixtral or Qwen-MoE checkpoint.")],
    groups: Annotated[
        float, typer.Option(min=1.0, help="How many experts a block keeps on average.")
    ],
    task: Annotated[
        list[str], typer.Option(help="TASK to calibrate on (its search split) and to score.")
    ],
    out: Annotated[Path, typer.Option(help="Folder to write the checkpoint to.")],
    calibration: Annotated[
        int, typer.Option(min=1, help="How many prompts of each task the routers are watched on.")
    ] = 128,
    tasks_dir: TasksFolder = None,
    items: FirstItems = None,
    json_file: JsonFile = None,
    overwrite: Overwrite = False,
) -> None:
    """Merge a model's experts by how its routers use them, and score it before and after."""
    with explained():
        figures = _merge(model, groups, task, out, calibration, tasks_dir, items, overwrite)
        write_figures(figures, json_file)


def _merge(
    model: Path,
    groups: float,
    tasks: list[str],
    out: Path,
    calibration: int,
    tasks_dir: Path | None,
    items: int | None,
    overwrite: bool,
) -> dict[str, Any]:
    from merging.calibration.texts import token_batches
    from merging.folders import check_free
    from merging.moe.merge import MergedExperts
    from merging.moe.routing import routing_statistics
    from merging.moe.writing import write_merged
    from service.cli.fidelity import Bench

    check_free(out, overwrite=overwrite)
    bench = Bench(model, tasks, tasks_dir, items)
    with console.status("watching the routers"):
        texts = [text for task in tasks for text in bench.texts(task, calibration)]
        statistics = routing_statistics(bench.model, token_batches(texts))
    with console.status("merging"):
        parent = bench.parent
        experts = MergedExperts(list(parent.info.tensors), parent.tensor, statistics, groups)
        write_merged(parent, experts, out, overwrite=overwrite)
    parameters = sum(parent.tensor(name).numel() for name in parent.info.tensors)
    kept = [len(set(leaders)) for leaders in experts.leaders]
    table = Table("task, holdout", "", "accuracy", "95 % interval", "n")
    written = Bench(out, tasks, tasks_dir, items)
    figures: dict[str, Any] = {}
    for task in tasks:
        with console.status(f"scoring on {task}"):
            figures[task] = {
                "before": bench.accuracy(parent.tensor, task, "holdout"),
                "merged": written.accuracy(written.parent.tensor, task, "holdout"),
            }
        add_accuracies(table, [[task], [""]], figures[task])
    console.print(table)
    console.print(
        f"Experts kept by block: {', '.join(map(str, kept))} of {len(experts.leaders[0])};"
        f" {parameters - experts.saved:,} of {parameters:,} parameters are distinct."
    )
    console.print(f"Written to {out}", soft_wrap=True)
    return {
        "groups": groups,
        "kept": kept,
        "parameters": parameters,
        "distinct_parameters": parameters - experts.saved,
        "tasks": figures,
    }
