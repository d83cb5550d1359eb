"""Watching a job in a terminal: live progress while it runs, a table when it has ended."""

from __future__ import annotations

import time

from rich import filesize
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from service.cli.results import holdout_table, remarks
from service.client import ApiError, Client
from service.evaluations.schemas import EvaluationView
from service.jobs.repository import ENDED
from service.jobs.schemas import JobDetail

_POLL_SECONDS = 0.5
_PHASES = {
    "fetch": "waiting for its models",
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
            live.update(Group(_now(job), progress, *_notes(job, parents)))
            if job.state in ENDED:
                break
            time.sleep(_POLL_SECONDS)
    if job.state == "finished":
        result = client.result(job_id)
        for task in job.spec["tasks"]:
            console.print(holdout_table(result, task["task"]))
        for remark in remarks(result):
            console.print(remark)
    else:
        console.print(f"the job is {job.state}" + (f": {job.reason}" if job.reason else ""))
    return job


def follow_to_success(console: Console, client: Client, job_id: str) -> JobDetail:
    """Show progress until the job ends. Raises ApiError unless it is finished."""
    job = follow_job(console, client, job_id)
    if job.state != "finished":
        raise ApiError([f"the job is {job.state}: {job.reason}"])
    return job


def _now(job: JobDetail) -> str:
    if job.fetch is None:
        return _PHASES[job.phase]
    told = {
        "fetching": "fetching its models",
        "converting": "converting its models",
        "reading": "reading its models",
        "waiting": "waiting for room for its models",
    }[job.fetch.step]
    if not job.fetch.size:
        return told
    return f"{told}: {filesize.decimal(job.fetch.done)} of {filesize.decimal(job.fetch.size)}"


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
    if job.trials_estimated:
        lines.append(f"scored on anchors alone: {job.trials_estimated} trials")
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
