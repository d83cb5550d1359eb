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

import zoo
from service.cli.local_service import local_service
from service.cli.watching import follow_job, score_on
from service.client import ApiError, Client

ROOT = Path(zoo.__file__).parent.parent
SPEC = ROOT / "examples" / "japanese-maths.yaml"


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
    parser.add_argument("--seeds", type=int, default=5, help="searches each way (%(default)s)")
    parser.add_argument("--trials", type=int, default=300, help="trials a search (%(default)s)")
    parser.add_argument("--block", type=int, default=32, help="items a block (%(default)s)")
    parser.add_argument("--error", type=float, default=0.05, help="of stopping (%(default)s)")
    parser.add_argument("--elite", type=int, default=1, help="trials to beat (%(default)s)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    options = parser.parse_args()
    racing = {"kind": "racing", "block": options.block, "error": options.error}
    racing |= {"elite": options.elite}
    console = Console()
    found: list[Figures] = []
    with tempfile.TemporaryDirectory(prefix="cuvee-racing-") as name:
        folder = Path(name)
        with (
            local_service(folder, ROOT, options.workers, console) as address,
            Client(address) as client,
        ):
            for seed in range(1, options.seeds + 1):
                for allocation in ({"kind": "full"}, racing):
                    spec = demo_spec(seed, options.trials, allocation)
                    found.append(search_demo(client, console, folder, spec))
                    if options.json:
                        figures = [asdict(one) for one in found]
                        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    console.print(_table(found))
    console.print(summary(found))


def summary(found: list[Figures]) -> str:
    """Mean accuracy each way, their difference in points, and the share of tokens."""
    ways = {way: [one for one in found if one.allocation == way] for way in ("full", "racing")}
    accuracy = {way: mean(one.accuracy for one in figures) for way, figures in ways.items()}
    tokens = {way: sum(one.tokens for one in figures) for way, figures in ways.items()}
    return (
        f"mean holdout accuracy: full {accuracy['full']:.1%}, racing {accuracy['racing']:.1%} "
        f"({100 * (accuracy['racing'] - accuracy['full']):+.1f} points), "
        f"for {tokens['racing'] / tokens['full']:.0%} of the tokens"
    )


def demo_spec(seed: int, trials: int, allocation: dict[str, Any]) -> dict[str, Any]:
    """The demo's search with another seed, number of trials and allocation."""
    spec: dict[str, Any] = yaml.safe_load(SPEC.read_text(encoding="utf-8"))
    spec |= {"name": f"{allocation['kind']}-{seed}", "seed": seed, "allocation": allocation}
    spec["stages"][0]["budget"]["trials"] = trials
    # The winner alone is of interest here.
    spec["baselines"] = {"averages": False, "grid_step": None}
    return spec


def search_demo(client: Client, console: Console, folder: Path, spec: dict[str, Any]) -> Figures:
    """Run a search to its end. Raises ApiError if it fails."""
    path = folder / f"{spec['name']}.yaml"
    path.write_text(yaml.safe_dump(spec), encoding="utf-8")
    job = follow_job(console, client, client.submit(path).id)
    if job.state != "finished":
        raise ApiError([f"the job is {job.state}: {job.reason}"])
    (winner,) = client.evaluations(job.id, split="holdout", kind="trial")
    score = score_on(winner, spec["tasks"][0]["task"])
    return Figures(
        seed=spec["seed"],
        allocation=spec["allocation"]["kind"],
        trials=job.trials_total,
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
