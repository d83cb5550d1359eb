"""Anchors beside full scoring: how wrong the estimates are, and what a search by them finds.

The errors are measured on the recorded trials of the demo's search, scored whole. As in a search,
the item model, the anchors and the trust in the model follow from the parents and the first trials
alone; they are judged on all later ones.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Literal

from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr
from threadpoolctl import threadpool_limits

from benchmarks.racing import Figures, demo_spec, search_demo
from benchmarks.search_demo import ROOT
from search.allocation_spec import AnchorsAllocation
from search.item_response.calibrating import calibrate
from search.item_response.design import Design, Scores
from service.cli.local_service import local_service
from service.client import Client
from service.database import Database
from service.evaluations import repository as evaluations
from service.jobs.listing import Filters, page
from service.trials import repository as trials

WAYS = ["full", "anchors"]
COUNTS = (20, 50, 100)
CALIBRATION = AnchorsAllocation.model_fields["calibration"].default


@dataclass(frozen=True)
class Errors:
    """Of one estimator on the trials of one search: `error` is the mean absolute error.

    `rank` is Spearman's correlation of estimates with the fitness on all items, `delta` the trust
    in the scores on the items themselves, where the estimator has one. Each is a mean over draws.
    """

    seed: int
    n: int
    choice: str
    estimator: str
    error: float
    rank: float
    delta: float | None
    trials: int


def main() -> None:
    """Run the searches, or take those that the data folder holds, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2], metavar="SEED")
    parser.add_argument("--ways", nargs="+", default=WAYS, choices=WAYS, help="default: both")
    parser.add_argument("--trials", type=int, default=300, help="trials a search (%(default)s)")
    parser.add_argument("--n", type=int, default=50, help="anchors of a search (%(default)s)")
    parser.add_argument("--draws", type=int, default=3, help="choices of items (%(default)s)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--data", type=Path, help="keep the searches in this folder, or take them")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    options = parser.parse_args()
    settings = {"full": {"kind": "full"}, "anchors": {"kind": "anchors", "n": options.n}}
    console = Console()
    with tempfile.TemporaryDirectory(prefix="cuvee-irt-") as name:
        folder = options.data or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        done = folder / "figures.json"
        found = [Figures(**one) for one in json.loads(done.read_text())] if done.exists() else []
        missing = [
            demo_spec(seed, options.trials, settings[way])
            for seed in options.seeds
            for way in options.ways
            if (seed, way) not in {(one.seed, one.allocation) for one in found}
        ]
        if missing:
            with (
                local_service(folder, ROOT, options.workers, console) as address,
                Client(address) as client,
            ):
                for spec in missing:
                    found.append(search_demo(client, console, folder, spec))
                    done.write_text(json.dumps([asdict(one) for one in found], indent=2) + "\n")
        measured = [
            one
            for seed, rows in _recorded(folder, options.seeds)
            for one in measure(seed, *rows, draws=options.draws)
        ]
    console.print(_searches(found))
    console.print(_errors(measured))
    if options.json:
        data = {
            "searches": [asdict(one) for one in found],
            "errors": [asdict(one) for one in measured],
        }
        options.json.write_text(json.dumps(data, indent=2) + "\n")


def measure(
    seed: int, parents: Sequence[Scores], children: Sequence[Scores], *, draws: int
) -> Iterator[Errors]:
    """Every estimator at every n, on the children after those that calibrate.

    `children` are the scores of distinct children on all items of one task, in the order of trials.
    """
    known, judged = children[:CALIBRATION], children[CALIBRATION:]
    choices: tuple[Literal["random", "kmeans"], ...] = ("random", "kmeans")
    for n in COUNTS:
        for choice in choices:
            settings = AnchorsAllocation(kind="anchors", n=n, choice=choice)
            with threadpool_limits(1):
                designs = [
                    calibrate(parents, known, settings, 1000 * seed + draw).design
                    for draw in range(draws)
                ]
            for estimator in _variants(designs[0]):
                judgements = [_judge(_variants(one)[estimator], judged) for one in designs]
                deltas = [_delta(_variants(one)[estimator]) for one in designs]
                yield Errors(
                    seed=seed,
                    n=n,
                    choice=choice,
                    estimator=estimator,
                    error=mean(error for error, _ in judgements),
                    rank=mean(rank for _, rank in judgements),
                    delta=mean(deltas) if estimator == "gmp_irt, calibrated" else None,
                    trials=len(judged),
                )


def _variants(design: Design) -> dict[str, Design]:
    """The same items and the same item model, other estimators."""
    half = {task: replace(one, delta=0.5) for task, one in design.anchors.items()}
    return {
        "mean": replace(design, estimator="mean"),
        "weighted": replace(design, estimator="weighted"),
        "mp_irt": replace(design, estimator="mp_irt"),
        "gmp_irt, 0.5": replace(design, estimator="gmp_irt", anchors=half),
        "gmp_irt, calibrated": replace(design, estimator="gmp_irt"),
    }


def _judge(design: Design, judged: Sequence[Scores]) -> tuple[float, float]:
    """The mean absolute error, and the rank correlation."""
    ((task, anchors),) = design.anchors.items()
    with threadpool_limits(1):
        estimates = [
            design.estimates({task: [one[task][at] for at in anchors.places]})[task]
            for one in judged
        ]
    truth = [mean(one[task]) for one in judged]
    error = mean(abs(a - b) for a, b in zip(estimates, truth, strict=True))
    return error, float(spearmanr(estimates, truth).statistic)


def _delta(design: Design) -> float:
    return mean(anchors.delta for anchors in design.anchors.values())


def _recorded(
    folder: Path, seeds: Sequence[int]
) -> Iterator[tuple[int, tuple[list[Scores], list[Scores]]]]:
    """By seed, the parents and the distinct children of the search that scores all whole."""
    database = Database(f"sqlite:///{folder / 'cuvee.sqlite3'}")
    with database.snapshot() as session:
        by_name = {job.name: job.id for job in page(session, Filters(), "-created", None, 1000)[0]}
        for seed in seeds:
            job_id = by_name.get(f"full-{seed}")
            if job_id is None:
                continue
            scored = {
                str(one.subject): one.values()
                for one in evaluations.all_of(session, job_id, split="search")
                if one.reason is None
            }
            children = {
                trial.digest: f"trial/{trial.number}"
                for trial in reversed(trials.all_of(session, job_id))
                if trial.state == "finished"
            }
            parents: list[Scores] = [
                values for name, values in scored.items() if name.startswith("parent/")
            ]
            yield seed, (parents, [scored[name] for name in reversed(children.values())])
    database.close()


def _searches(found: Sequence[Figures]) -> Table:
    table = Table("seed", "allocation", "holdout", "tokens", "search s", title="searches")
    for one in found:
        cells = f"{one.accuracy:.1%}", f"{one.tokens:,}", f"{one.seconds:.0f}"
        table.add_row(str(one.seed), one.allocation, *cells)
    return table


def _errors(measured: Sequence[Errors]) -> Table:
    """Means over the seeds."""
    table = Table("n", "items", "estimator", "error", "rank", "delta", title="estimates")
    keys = dict.fromkeys((one.n, one.choice, one.estimator) for one in measured)
    for n, choice, estimator in keys:
        same = [
            one for one in measured if (one.n, one.choice, one.estimator) == (n, choice, estimator)
        ]
        deltas = [one.delta for one in same if one.delta is not None]
        table.add_row(
            str(n),
            choice,
            estimator,
            f"{100 * mean(one.error for one in same):.2f} points",
            f"{mean(one.rank for one in same):.3f}",
            f"{mean(deltas):.2f}" if deltas else "",
        )
    return table


if __name__ == "__main__":
    main()
