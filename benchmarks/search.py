"""The demo's search beside mergekit-evolve's: time and tokens to a good child.

Same parents, same items, same gene groups. A search has arrived when the best candidate so far, by
its score on the search items, solves the target share of the holdout items. That is judged outside
the clock, the same way for all. Cuvee is the real service, once with the likelihood of worked
solutions as what it searches by, once with accuracy; what stands for mergekit-evolve, which goes by
accuracy, is in `benchmarks.search_peer`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

import torch
import yaml
from rich.console import Console
from rich.table import Table
from transformers import AutoTokenizer

from benchmarks.peer import SearchingPeer, searching_environment
from benchmarks.process import descendants_cpu_seconds
from benchmarks.search_runs import (
    CUVEE,
    CUVEE_ACCURACY,
    PEER,
    PEER_BATCH_1,
    WAYS,
    Candidate,
    Judgement,
    Run,
    in_flight,
    judged,
    ratios,
    read,
    write,
)
from benchmarks.search_task import NAME, TASK, write_task
from evaluators.cards import TARGET_BITS_PER_CHAR
from evaluators.scoring import PreparedTask
from merging.checkpoint import inspect_checkpoint
from merging.engine import MergeEngine
from merging.recipe import Recipe
from service.cli.local_service import local_service
from service.client import ApiError, Client
from service.jobs.repository import ENDED
from service.jobs.schemas import JobDetail

ROOT = Path(__file__).parent.parent
SPEC = ROOT / "examples" / "japanese-maths.yaml"
BEST_KNOWN = 0.706
"""The best child's accuracy on holdout, of the README."""
TARGET = 0.9 * BEST_KNOWN
WORKERS = 2
POPULATION = 5
"""By accuracy soonest there, in simulated searches of seeds 1 to 5 and 11 to 15."""
LIKELIHOODS, LIKELIHOOD_POPULATION = 64, 6
"""Items and population by likelihood: soonest there in those of seeds 11 to 16."""
_SEARCHING = ("queued", "parents", "prepare", "search")
_POLL_SECONDS = 0.5
_WARM_TRIALS = 24
# It is outside the clock, and on a busy machine it takes minutes.
_START_SECONDS = 900.0


def main() -> None:
    """Run the searches and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5], metavar="SEED")
    parser.add_argument("--ways", nargs="+", default=WAYS, choices=WAYS, help="default: all")
    parser.add_argument("--cap", type=float, default=600.0, help="seconds a search (%(default)s)")
    parser.add_argument(
        "--allocation",
        choices=("full", "racing", "anchors"),
        default="racing",
        help="Cuvee's where it goes by accuracy (%(default)s)",
    )
    parser.add_argument(
        "--method",
        choices=("task_arithmetic", "ties", "dare_ties"),
        default="task_arithmetic",
        help="mergekit-evolve's (%(default)s)",
    )
    parser.add_argument(
        "--filters",
        nargs="*",
        default=["embed_tokens"],
        metavar="NAME",
        help="tensors with genes of their own in mergekit-evolve (%(default)s)",
    )
    parser.add_argument(
        "--batch-sizes",
        type=int,
        nargs="+",
        default=[32, 64, 128, 256],
        help="mergekit-evolve's sizes to try (%(default)s)",
    )
    parser.add_argument("--dtypes", nargs="+", default=["bfloat16", "float32"], help="to try")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="to try")
    parser.add_argument("--json", type=Path, help="add the runs to those in this file")
    options = parser.parse_args()
    runs = read(options.json) if options.json else []
    judge = Judge()
    for seed in options.seeds:
        for way in options.ways:
            search = _search_with_cuvee if way in (CUVEE, CUVEE_ACCURACY) else _search_with_peer
            runs.append(search(way, seed, options, Judgement(judge.accuracy, TARGET)))
            _print(runs)
            if options.json:
                write(options.json, runs, TARGET)


class Judge:
    """Scores recipes on the holdout items; models are named by reference or by folder."""

    def __init__(self) -> None:
        # Faster than two on a small model, and steadier on a busy machine.
        torch.set_num_threads(1)
        references = [model["ref"] for model in _demo()["models"].values()]
        folders = {name: ROOT / name for name in references}
        self._engine = MergeEngine(
            {**folders, **{str(ROOT / name): ROOT / name for name in folders}}
        )
        tokenizer = AutoTokenizer.from_pretrained(ROOT / references[0])
        self._items = PreparedTask(TASK, "holdout", tokenizer)

    def accuracy(self, recipe: str) -> float:
        """The share of holdout items that the recipe's child solves."""
        return mean(self._items.score(self._engine.merge(Recipe.from_yaml(recipe))).values)


def _search_with_cuvee(
    way: str, seed: int, options: argparse.Namespace, judgement: Judgement
) -> Run:
    """A job of a service that is started for it, and cancelled when the cap is reached."""
    allocation = options.allocation if way == CUVEE_ACCURACY else None
    job = job_spec(seed, options.cap, allocation)
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
            found = list(_job_candidates(client, path, options.cap))
    chosen = {name: job.get(name) for name in ("tasks", "items", "allocation")}
    settings = chosen | {"workers": WORKERS}
    return judged(found, judgement, way=way, seed=seed, cap=options.cap, settings=settings)


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


def job_spec(seed: int, cap: float, allocation: str | None) -> dict[str, Any]:
    """The demo's search with another seed and population, for `cap` seconds at most: by accuracy in
    this allocation or, for None, by the likelihood of the worked solutions of the first items."""
    spec = _demo()
    spec |= {"name": f"search-{seed}", "seed": seed}
    sampler = spec["stages"][0]["sampler"]
    if allocation is None:
        spec["tasks"][0]["search_metric"] = TARGET_BITS_PER_CHAR
        spec["items"] = LIKELIHOODS
        sampler["population"] = LIKELIHOOD_POPULATION
    else:
        spec["allocation"] = {"kind": allocation}
        sampler["population"] = POPULATION
    spec["stages"][0]["budget"] |= {"seconds": cap}
    return spec


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


def _search_with_peer(
    way: str, seed: int, options: argparse.Namespace, judgement: Judgement
) -> Run:
    """mergekit-evolve's search in a process; while a candidate is judged it waits."""
    demo = _demo()
    space = demo["stages"][0]["space"]
    models = {alias: str(ROOT / model["ref"]) for alias, model in demo["models"].items()}
    depth = inspect_checkpoint(Path(models[space["base"]])).num_layers
    alone = way == PEER_BATCH_1
    chosen: dict[str, Any] = {"method": options.method, "filters": options.filters}
    with tempfile.TemporaryDirectory(prefix="cuvee-search-") as folder:
        write_task(Path(folder))
        settings = chosen | {
            "seed": seed,
            "task": NAME,
            "task_folder": folder,
            "base": models[space["base"]],
            "parents": [models[alias] for alias in space["parents"]],
            "layer_granularity": depth // space["layer_groups"],
            # One row at a time gives a second thread nothing to do.
            "threads": [1] if alone else options.threads,
            "dtypes": ["bfloat16"] if alone else options.dtypes,
            "batch_sizes": [1] if alone else options.batch_sizes,
        }
        with SearchingPeer(searching_environment(ROOT / ".bench/mergekit"), settings) as peer:
            found = peer.ask({})
            chosen |= found
            if not alone:
                # The same for the seeds that follow.
                options.threads, options.dtypes, options.batch_sizes = (
                    [one] for one in found.values()
                )
            return judged(
                _peer_candidates(peer),
                judgement,
                way=way,
                seed=seed,
                cap=options.cap,
                settings=chosen,
            )


def _peer_candidates(peer: SearchingPeer) -> Iterator[Candidate]:
    number = 0
    while "ended" not in (answer := peer.ask({})):
        number += 1
        known = ("fitness", "seconds", "cpu_seconds", "tokens", "recipe")
        yield Candidate(number=number, **{name: answer[name] for name in known})


def _demo() -> dict[str, Any]:
    spec: dict[str, Any] = yaml.safe_load(SPEC.read_text(encoding="utf-8"))
    return spec


def _print(runs: list[Run]) -> None:
    table = Table(
        "way", "seed", "arrived", "seconds", "processor s", "tokens", "children", "holdout"
    )
    for run in runs:
        table.add_row(
            run.way,
            str(run.seed),
            "yes" if run.reached else "no",
            f"{run.seconds:.0f}",
            f"{run.cpu_seconds:.0f}",
            f"{run.tokens:,}",
            str(run.candidates),
            "" if run.holdout_accuracy is None else f"{run.holdout_accuracy:.1%}",
        )
    console = Console()
    console.print(table)
    for own, peer in product((CUVEE, CUVEE_ACCURACY), (PEER, PEER_BATCH_1)):
        found = ratios(runs, peer, own=own) or {}
        shown = [f"{name} {one:.3g}" for name, one in found.items() if one is not None]
        if shown:
            console.print(f"{own} against {peer}: {', '.join(shown)}")


if __name__ == "__main__":
    main()
