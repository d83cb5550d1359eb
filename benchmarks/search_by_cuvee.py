"""Cuvee's searches of `benchmarks.search`: jobs of a real service."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import yaml
from rich.console import Console

from benchmarks.process import descendants_cpu_seconds
from benchmarks.search_demo import ROOT, job_spec
from benchmarks.search_runs import Candidate, Judgement, Run, in_flight, judged
from service.cli.local_service import local_service
from service.client import ApiError, Client
from service.jobs.repository import ENDED
from service.jobs.schemas import JobDetail

WORKERS = 2
_SEARCHING = ("queued", "parents", "prepare", "search")
_POLL_SECONDS = 0.5
_WARM_TRIALS = 24
# It is outside the clock, and on a busy machine it takes minutes.
_START_SECONDS = 900.0


def search_by_cuvee(
    way: str, seed: int, cap: float, allocation: str | None, judgement: Judgement
) -> Run:
    """A job of a service that is started for it, and cancelled when the cap is reached.

    It goes by accuracy in the allocation or, for None, by likelihood.
    """
    job = job_spec(seed, cap, allocation)
    with tempfile.TemporaryDirectory(prefix="cuvee-search-") as name:
        path = Path(name) / "spec.yaml"
        path.write_text(yaml.safe_dump(job), encoding="utf-8")
        with (
            local_service(
                Path(name), ROOT, WORKERS, Console(stderr=True), start_seconds=_START_SECONDS
            ) as address,
            Client(address) as client,
        ):
            _warm(client, path)
            found = list(_job_candidates(client, path, cap))
    chosen = {name: job.get(name) for name in ("tasks", "items", "allocation")}
    settings = chosen | {"workers": WORKERS}
    return judged(found, judgement, way=way, seed=seed, cap=cap, settings=settings)


def _warm(client: Client, spec: Path) -> None:
    """Another job first, until all workers have built and scored a few children.

    They have loaded the models and the items then, as mergekit-evolve's process has, and tried its
    batch sizes on them, by the time it is told to search. No score is left to the next job.
    """
    job_id = client.submit(spec).id
    _wait(client, job_id, lambda job: job.trials_finished + job.trials_stopped >= _WARM_TRIALS)
    # Cancelled while they work, they would start anew.
    client.pause(job_id)
    _wait(client, job_id, lambda job: job.state == "paused")
    client.cancel(job_id)
    _wait(client, job_id, lambda _: False)


def _wait(client: Client, job_id: str, reached: Callable[[JobDetail], bool]) -> None:
    """Until the job has reached something, or has ended."""
    while (job := client.job(job_id)).state not in ENDED and not reached(job):
        time.sleep(_POLL_SECONDS)


def _job_candidates(client: Client, spec: Path, cap: float) -> Iterator[Candidate]:
    """Search; then all trials that were scored whole, in the order in which they ended."""
    submitted = datetime.now(UTC)
    spent = [(0.0, descendants_cpu_seconds())]
    job = client.submit(spec)
    while job.phase in _SEARCHING and job.state not in ENDED and spent[-1][0] < cap:
        time.sleep(_POLL_SECONDS)
        job = client.job(job.id)
        now = (datetime.now(UTC) - submitted).total_seconds()
        spent.append((now, descendants_cpu_seconds()))
    if job.state == "failed":
        raise ApiError([f"the job is failed: {job.reason}"])
    if job.state not in ENDED:
        client.cancel(job.id)
    trials = [one for one in client.trials(job.id, limit=10_000) if one.finished_at is not None]
    parents = client.evaluations(job.id, split="search", kind="parent")
    before = sum(score.tokens for parent in parents for score in parent.scores)
    trials.sort(key=lambda one: one.finished_at or submitted)
    tokens = in_flight([one.tokens for one in trials], WORKERS)
    for number, (trial, generated) in enumerate(zip(trials, tokens, strict=True), 1):
        if trial.state == "finished" and trial.fitness is not None and trial.finished_at:
            seconds = (trial.finished_at - submitted).total_seconds()
            later = [cpu for at, cpu in spent if at >= seconds] or [spent[-1][1]]
            yield Candidate(
                fitness=trial.fitness,
                seconds=seconds,
                cpu_seconds=later[0] - spent[0][1],
                tokens=before + generated,
                number=number,
                recipe=client.recipe(job.id, trial.number),
            )
