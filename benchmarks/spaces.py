"""Weights, paths, or paths through the best weights: the demo's task searched in each space.

The same parents, items and number of trials. What is compared is each winner's accuracy on the
holdout items, and every other winner against that of the parameter space, item by item.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from benchmarks.racing import run_job
from benchmarks.search_demo import ROOT
from evaluators.intervals import mcnemar
from service.cli.local_service import local_service
from service.client import Client
from service.database import Database
from service.evaluations import repository as evaluations
from service.jobs.schemas import JobDetail

SPEC = ROOT / "examples" / "japanese-maths-layers.yaml"
WEIGHTS, PATHS, BOTH = "weights", "paths", "weights, then paths"
WAYS = (WEIGHTS, PATHS, BOTH)


@dataclass(frozen=True)
class Outcome:
    """One search. Accuracies and the interval's ends are of its winner on holdout, in [0, 1].

    `p` is McNemar's, against the winner of the weights with the same seed.
    """

    seed: int
    way: str
    trials: int
    accuracy: float
    low: float
    high: float
    n: int
    p: float | None
    seconds: float
    best_parent: float | None
    best_average: float | None
    best_grid: float | None


def main() -> None:
    """Run the searches and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], metavar="SEED")
    parser.add_argument("--trials", type=int, default=300, help="trials a search (%(default)s)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    options = parser.parse_args()
    console = Console()
    found: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="cuvee-spaces-") as name:
        folder = Path(name)
        with (
            local_service(folder, ROOT, options.workers, console) as address,
            Client(address) as client,
        ):
            for seed in options.seeds:
                solved: dict[str, list[float]] = {}
                for way in WAYS:
                    job = run_job(client, console, folder, job_spec(way, seed, options.trials))
                    solved[way] = _winner_scores(folder, job)
                    found.append(_outcome(client, job, way, solved))
                    if options.json:
                        figures = [asdict(one) for one in found]
                        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    console.print(_table(found))


def job_spec(way: str, seed: int, trials: int) -> dict[str, Any]:
    """The two stages of the example, or one of them alone; together they have `trials` trials."""
    spec: dict[str, Any] = yaml.safe_load(SPEC.read_text(encoding="utf-8"))
    weights, layers = spec["stages"]
    if way == PATHS:
        # All models, as for the weights; the best of them is the first, where the search begins.
        layers["space"]["parents"] = list(spec["models"])
    stages = {WEIGHTS: [weights], PATHS: [layers], BOTH: [weights, layers]}[way]
    for stage, share in zip(stages, [0.6, 0.4] if way == BOTH else [1.0], strict=True):
        # All of it, so that none gets by on less than another.
        stage["budget"] = {"trials": round(share * trials)}
    return spec | {"name": f"{way}-{seed}".replace(", ", "-"), "seed": seed, "stages": stages}


def _winner_scores(folder: Path, job: JobDetail) -> list[float]:
    """The winner's score on every holdout item."""
    database = Database(f"sqlite:///{folder / 'cuvee.sqlite3'}")
    with database.snapshot() as session:
        (winner,) = evaluations.all_of(session, job.id, split="holdout", kind="trial")
        (values,) = winner.values().values()
    database.close()
    return list(values)


def _outcome(
    client: Client, job: JobDetail, way: str, solved: Mapping[str, Sequence[float]]
) -> Outcome:
    holdout = client.result(job.id).holdout
    (score,) = holdout[0].accuracies.values()

    def best(kind: str) -> float | None:
        entries = [one for one in holdout if one.kind == kind]
        scores = [score.accuracy for one in entries for score in one.accuracies.values()]
        return max(scores, default=None)

    return Outcome(
        seed=job.spec["seed"],
        way=way,
        trials=job.trials_finished + job.trials_failed,
        accuracy=score.accuracy,
        low=score.low,
        high=score.high,
        n=score.n,
        p=None if way == WEIGHTS else mcnemar(solved[way], solved[WEIGHTS]),
        seconds=job.search_seconds,
        best_parent=best("parent"),
        best_average=best("average"),
        best_grid=best("grid"),
    )


def _table(found: Sequence[Outcome]) -> Table:
    table = Table("seed", "space", "holdout", "interval", "p against weights", "search s")
    for one in found:
        table.add_row(
            str(one.seed),
            one.way,
            f"{one.accuracy:.1%}",
            f"{one.low:.1%} to {one.high:.1%}",
            "" if one.p is None else f"{one.p:.2g}",
            f"{one.seconds:.0f}",
        )
    return table


if __name__ == "__main__":
    main()
