"""The demo: the whole product once, over HTTP, on the bundled parents."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console

import zoo
from service.cli.local_service import local_service
from service.cli.options import write_figures
from service.cli.results import best_of_grid
from service.cli.watching import follow_to_success
from service.client import ApiError, Client
from service.jobs.schemas import JobDetail
from service.results.schemas import Contender, ResultView

_MODELS = Path(zoo.__file__).parent.parent
_SPEC = _MODELS / "examples" / "japanese-maths.yaml"
_TOLERANCE = 0.005


def run_demo(
    console: Console, folder: Path | None, json_file: Path | None, spec: Path | None, workers: int
) -> None:
    """Serve, search, compare on holdout, export, load the export and score it again.

    Raises ApiError when the job does not finish, or the export scores otherwise than its trial.
    """
    folder = folder or Path(tempfile.mkdtemp(prefix="cuvee-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    with local_service(folder, _MODELS, workers, console) as address, Client(address) as client:
        job = client.submit(spec or _SPEC)
        console.print(f"Dashboard: {address}/jobs/{job.id}", soft_wrap=True)
        ended = follow_to_success(console, client, job.id)
        export = client.export(job.id)
        console.print(f"Exported: {export.folder}", soft_wrap=True)
        figures = _figures(ended, client.result(job.id))
        figures["best"]["recipe_digest"] = client.best(job.id).recipe_digest
    rescored = _rescore(Path(export.folder), ended.spec["tasks"][0])
    figures |= {"exported": export.folder, "rescored_accuracy": rescored}
    recorded = figures["best"]["accuracy"]
    console.print(
        f"Loaded again with transformers: {rescored:.1%} on holdout, recorded {recorded:.1%}."
    )
    console.print(
        f"Look again: cuvee serve --local --data {folder} --models {_MODELS}", soft_wrap=True
    )
    write_figures(figures, json_file)
    if abs(rescored - recorded) > _TOLERANCE:
        raise ApiError(["the exported child does not score what its trial scored"])


def _figures(job: JobDetail, result: ResultView) -> dict[str, Any]:
    task = job.spec["tasks"][0]["task"]

    def figure(entry: Contender) -> dict[str, float]:
        score = entry.accuracies[task]
        return {"accuracy": score.accuracy, "low": score.low, "high": score.high}

    def of_kind(kind: str) -> list[Contender]:
        return [entry for entry in result.holdout if entry.kind == kind and entry.accuracies]

    best = of_kind("trial")[0]
    averages = {entry.label: figure(entry) for entry in of_kind("average")}
    grid = best_of_grid(result, task)
    parents = set(job.spec["stages"][-1]["space"]["parents"])
    return {
        "task": task,
        "holdout_n": best.accuracies[task].n,
        "parents": [{"name": entry.label, **figure(entry)} for entry in of_kind("parent")],
        "average": next(
            (found for label, found in averages.items() if set(label.split("+")) == parents), None
        ),
        "averages": averages,
        "uniform_grid_best": {**figure(grid), "weights": grid.label} if grid else None,
        "best": {**figure(best), "trial": int(best.label)},
        "trials": job.trials_finished + job.trials_failed,
        "search_seconds": job.search_seconds,
    }


def _rescore(folder: Path, task: dict[str, Any]) -> float:
    """Holdout accuracy of an exported folder, loaded with nothing but transformers."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging as transformers_logging

    from evaluators.scoring import PreparedTask
    from evaluators.tasks import load_task

    torch.set_num_threads(1)
    bars: Any = transformers_logging
    bars.disable_progress_bar()
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model.eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    prepared = PreparedTask(load_task(task["task"], metric=task["metric"]), "holdout", tokenizer)
    values = prepared.score(model).values
    return sum(values) / len(values)
