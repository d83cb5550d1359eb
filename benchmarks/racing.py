"""Racing beside full scoring: the demo's search with several seeds, each way.

What is compared is what a user gets, the winner's accuracy on holdout, and what it costs, the
tokens generated for candidates on the search split. Every search is a job of the real service.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from benchmarks.search_demo import ROOT, demo
from search.spec import RacingAllocation
from service.cli.local_service import local_service
from service.cli.watching import follow_to_success
from service.client import Client
from service.jobs.schemas import JobDetail

WAYS = ["full", "racing"]


@dataclass(frozen=True)
class Figures:
    """One search: `accuracy` is the winner's on holdout, in [0, 1]; `tokens` the candidates'."""

    seed: int
    allocation: str
    trials: int
    stopped: int
    tokens: int
    seconds: float
    accuracy: float
    n: int


def main() -> None:
    """Run the searches and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5], metavar="SEED")
    parser.add_argument("--ways", nargs="+", default=WAYS, choices=WAYS, help="default: both")
    parser.add_argument("--trials", type=int, default=300, help="trials a search (%(default)s)")
    for field in ("first", "block", "error", "elite"):
        kind = RacingAllocation.model_fields[field]
        parser.add_argument(f"--{field}", type=type(kind.default), default=kind.default)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path, help="add the figures to those in this file")
    options = parser.parse_args()
    racing = {field: getattr(options, field) for field in ("first", "block", "error", "elite")}
    settings = {"full": {"kind": "full"}, "racing": {"kind": "racing"} | racing}
    console = Console()
    found = _read(options.json)
    with tempfile.TemporaryDirectory(prefix="cuvee-racing-") as name:
        folder = Path(name)
        with (
            local_service(folder, ROOT, options.workers, console) as address,
            Client(address) as client,
        ):
            for seed in options.seeds:
                for way in options.ways:
                    spec = demo_spec(seed, options.trials, settings[way])
                    found.append(search_demo(client, console, folder, spec))
                    if options.json:
                        figures = [asdict(one) for one in found]
                        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    console.print(_table(found))
    if {one.allocation for one in found} == set(WAYS):
        console.print(summary(found))


def summary(found: list[Figures]) -> str:
    """Mean accuracy each way, their difference in points, and the share of tokens.

    Over the seeds that were searched both ways.
    """
    ways = {way: {one.seed: one for one in found if one.allocation == way} for way in WAYS}
    seeds = sorted(ways["full"].keys() & ways["racing"].keys())
    accuracy = {way: mean(ways[way][seed].accuracy for seed in seeds) for way in WAYS}
    tokens = {way: sum(ways[way][seed].tokens for seed in seeds) for way in WAYS}
    return (
        f"mean holdout accuracy over {len(seeds)} seeds: full {accuracy['full']:.1%}, "
        f"racing {accuracy['racing']:.1%} "
        f"({100 * (accuracy['racing'] - accuracy['full']):+.1f} points), "
        f"for {tokens['racing'] / tokens['full']:.0%} of the tokens"
    )


def _read(path: Path | None) -> list[Figures]:
    if path is None or not path.exists():
        return []
    return [Figures(**one) for one in json.loads(path.read_text(encoding="utf-8"))]


def demo_spec(seed: int, trials: int, allocation: dict[str, Any]) -> dict[str, Any]:
    """The demo's search with another seed, number of trials and allocation."""
    spec = demo()
    spec |= {"name": f"{allocation['kind']}-{seed}", "seed": seed, "allocation": allocation}
    spec["stages"][0]["budget"]["trials"] = trials
    # The winner alone is of interest here.
    spec["baselines"] = {"averages": False, "grid_step": None}
    return spec


def run_job(client: Client, console: Console, folder: Path, spec: dict[str, Any]) -> JobDetail:
    """Submit a spec, by way of a file in the folder, and watch it to its end.

    Raises ApiError unless it is finished.
    """
    path = folder / f"{spec['name']}.yaml"
    path.write_text(yaml.safe_dump(spec), encoding="utf-8")
    return follow_to_success(console, client, client.submit(path).id)


def search_demo(client: Client, console: Console, folder: Path, spec: dict[str, Any]) -> Figures:
    """Run a search to its end. Raises ApiError if it fails."""
    job = run_job(client, console, folder, spec)
    score = client.result(job.id).holdout[0].accuracies[spec["tasks"][0]["task"]]
    return Figures(
        seed=spec["seed"],
        allocation=spec["allocation"]["kind"],
        trials=job.trials_finished + job.trials_failed,
        stopped=job.trials_stopped,
        tokens=job.search_tokens,
        seconds=job.search_seconds,
        accuracy=score.accuracy,
        n=score.n,
    )


def _table(found: list[Figures]) -> Table:
    table = Table("seed", "allocation", "holdout", "tokens", "stopped", "search s")
    for one in found:
        table.add_row(
            str(one.seed),
            one.allocation,
            f"{one.accuracy:.1%}",
            f"{one.tokens:,}",
            f"{one.stopped} of {one.trials}",
            f"{one.seconds:.0f}",
        )
    return table


if __name__ == "__main__":
    main()
