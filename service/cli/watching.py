"""Watching a job in a terminal: live progress while it runs, a table when it has ended."""

from __future__ import annotations

import time

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from service.client import Client
from service.evaluations.schemas import Accuracy, EvaluationView
from service.jobs.repository import ENDED
from service.jobs.schemas import JobDetail

_POLL_SECONDS = 0.5
_PHASES = {
    "queued": "waiting for a worker",
    "parents": "scoring the parents",
    "prepare": "computing statistics of the parents",
    "search": "searching",
    "select": "re-scoring the finalists",
    "holdout": "scoring the winner, the parents and the baselines on holdout",
    "ended": "done",
}


def follow_job(console: Console, client: Client, job_id: str) -> JobDetail:
    """Show progress until the job ends; then print its result, and return it."""
    progress = Progress(
        BarColumn(), MofNCompleteColumn(), TextColumn("trials"), TimeElapsedColumn()
    )
    bar = progress.add_task("", total=None)
    with Live(console=console) as live:
        while True:
            job = client.job(job_id)
            parents = client.evaluations(job_id, split="search", kind="parent")
            ended = job.trials_finished + job.trials_failed
            progress.update(bar, completed=ended, total=job.trials_total)
            live.update(Group(_PHASES[job.phase], progress, *_notes(job, parents)))
            if job.state in ENDED:
                break
            time.sleep(_POLL_SECONDS)
    if job.state == "finished":
        console.print(holdout_table(job, client.evaluations(job_id, split="holdout")))
    else:
        console.print(f"the job is {job.state}" + (f": {job.reason}" if job.reason else ""))
    return job


def holdout_table(job: JobDetail, evaluations: list[EvaluationView]) -> Table:
    """Winner, parents, averages and the best grid point on holdout, with 95 % intervals.

    Of the uniform-weight grid only the point that did best on holdout is shown: choosing it there
    favours the grid, never the winner.
    """
    task = job.spec["tasks"][0]["task"]
    table = Table("", "accuracy", "95 % interval", "n", title=f"{task}, holdout")
    for kind in ("parent", "average"):
        for evaluation in evaluations:
            if evaluation.kind == kind:
                _add(table, f"{kind} {evaluation.label}", evaluation, task)
    if grid := best_of_grid(evaluations, task):
        _add(table, f"best uniform weights ({grid.label})", grid, task)
    for evaluation in evaluations:
        if evaluation.kind == "trial":
            _add(table, f"best child (trial {evaluation.label})", evaluation, task, "bold green")
    return table


def best_of_grid(evaluations: list[EvaluationView], task: str) -> EvaluationView | None:
    """The point of the uniform-weight grid with the highest accuracy, if there is a grid."""
    grid = [entry for entry in evaluations if entry.kind == "grid" and entry.scores]
    return max(grid, key=lambda entry: score_on(entry, task).accuracy, default=None)


def score_on(evaluation: EvaluationView, task: str) -> Accuracy:
    """The evaluation's accuracy on one task."""
    return next(score for score in evaluation.scores if score.task == task)


def _add(
    table: Table, label: str, evaluation: EvaluationView, task: str, style: str | None = None
) -> None:
    if not evaluation.scores:
        table.add_row(label, "failed", evaluation.reason or "", "", style=style)
        return
    score = score_on(evaluation, task)
    interval = f"{score.low:.1%} – {score.high:.1%}"
    table.add_row(label, f"{score.accuracy:.1%}", interval, str(score.n), style=style)


def _notes(job: JobDetail, parents: list[EvaluationView]) -> list[str]:
    lines = []
    shown = [
        f"{parent.label} {parent.scores[0].accuracy:.1%}" for parent in parents if parent.scores
    ]
    if shown:
        lines.append("parents: " + ", ".join(shown))
    if job.best:
        lines.append(f"best so far: {job.best.fitness:.1%} (trial {job.best.trial})")
    if job.trials_stopped:
        lines.append(f"stopped early: {job.trials_stopped} trials")
    done = job.trials_finished + job.trials_failed
    lines += [
        f"stage {stage.name} ended by its limit on {stage.ended_by}, after {stage.trials} trials"
        for stage in job.stages
        if stage.ended_by not in (None, "trials")
    ]
    if job.phase == "search" and done and job.trials_total is not None:
        left = job.search_seconds / done * (job.trials_total - done)
        lines.append(f"about {left:.0f} s of search left")
    return lines
