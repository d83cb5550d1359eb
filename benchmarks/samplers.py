"""All samplers on functions that resemble merging, at several budgets: who finds the most accurate.

    python -m benchmarks.samplers --seeds 5 --json samplers.json

A run's result at a budget is the true accuracy of the trial with the best score by then. Samplers
are ranked by it, per function, budget and seed, and ranks averaged.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

from benchmarks.merging_landscapes import Landscape, best_seen, landscapes
from search.gene import Genome
from search.sampler_spec import (
    CmaesSettings,
    GpSettings,
    Nsga2Settings,
    OptunaCmaesSettings,
    QmcSettings,
    RandomSettings,
    SamplerSettings,
    TpeSettings,
)
from search.samplers import Outcome, make_sampler

SAMPLERS: dict[str, SamplerSettings] = {
    "cmaes": CmaesSettings(kind="cmaes"),
    "cmaes separable": CmaesSettings(kind="cmaes", covariance="separable"),
    "cmaes decoding": CmaesSettings(kind="cmaes", covariance="diagonal_decoding"),
    "cmaes sigma 0.3": CmaesSettings(kind="cmaes", sigma=0.3),
    "cmaes population 20": CmaesSettings(kind="cmaes", population=20),
    "cmaes ipop": CmaesSettings(kind="cmaes", restarts="ipop"),
    "cmaes bipop": CmaesSettings(kind="cmaes", restarts="bipop"),
    "cmaes rate 0.5": CmaesSettings(kind="cmaes", learning_rate=0.5),
    "optuna_cmaes": OptunaCmaesSettings(kind="optuna_cmaes"),
    "optuna_cmaes lr_adapt": OptunaCmaesSettings(kind="optuna_cmaes", lr_adapt=True),
    "tpe": TpeSettings(kind="tpe"),
    "gp": GpSettings(kind="gp", batch=5),
    "nsga2": Nsga2Settings(kind="nsga2"),
    "qmc": QmcSettings(kind="qmc"),
    "random": RandomSettings(kind="random"),
}
BUDGETS = (50, 100, 200, 500, 1000)
# Their cost a draw grows with the trials before it.
LIMITS = {"gp": 50, "tpe": 500}


@dataclass(frozen=True)
class Entry:
    """One run at one budget. `seconds` of processor time are the sampler's and the function's."""

    sampler: str
    function: str
    seed: int
    budget: int
    accuracy: float
    seconds: float


def run(name: str, landscape: Landscape, seed: int, budgets: Sequence[int]) -> Iterator[Entry]:
    """A run of the largest budget that the sampler's cost allows, looked at after each budget."""
    sampler = make_sampler(SAMPLERS[name], landscape.genes, seed)
    allowed = [budget for budget in budgets if budget <= LIMITS.get(name, budget)]
    genomes: list[Genome] = []
    scores: list[float] = []
    began = time.process_time()
    for budget in allowed:
        while len(genomes) < budget:
            first = sampler.next_number
            asked = sampler.ask(min(sampler.batch, budget - len(genomes)))
            for number, genome in enumerate(asked, first):
                scores.append(landscape.score(genome))
                sampler.tell(number, genome, Outcome((scores[-1],), 1))
            genomes += asked
        found = best_seen(landscape, genomes, scores)
        spent = time.process_time() - began
        yield Entry(name, landscape.name, seed, budget, found, spent)


def ranks(entries: Sequence[Entry]) -> dict[tuple[str, int, str], float]:
    """The mean rank over seeds by function, budget and sampler: 0 for the best of all, 1 for the
    worst, so that budgets with fewer samplers compare."""
    groups: dict[tuple[str, int, int], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((entry.function, entry.budget, entry.seed), []).append(entry)
    found: dict[tuple[str, int, str], list[float]] = {}
    for (function, budget, _), group in groups.items():
        for entry in group:
            above = sum(other.accuracy > entry.accuracy for other in group)
            level = sum(other.accuracy == entry.accuracy for other in group) - 1
            share = (above + level / 2) / max(1, len(group) - 1)
            found.setdefault((function, budget, entry.sampler), []).append(share)
    return {key: fmean(values) for key, values in found.items()}


def table(entries: Sequence[Entry], budget: int) -> str:
    """Samplers by mean rank at a budget, with the mean accuracy for every function."""
    here = [entry for entry in entries if entry.budget == budget]
    ranked = ranks(here)
    functions = list(dict.fromkeys(entry.function for entry in here))
    names = list(dict.fromkeys(entry.sampler for entry in here))
    mean_rank = {
        name: fmean(ranked[function, budget, name] for function in functions) for name in names
    }
    lines = [
        f"| {budget} trials | rank | " + " | ".join(functions) + " | ms a trial |",
        "|---|---|" + "---|" * (len(functions) + 1),
    ]
    for name in sorted(names, key=lambda name: mean_rank[name]):
        mine = [entry for entry in here if entry.sampler == name]
        means = [
            fmean(entry.accuracy for entry in mine if entry.function == function)
            for function in functions
        ]
        cost = 1000 * fmean(entry.seconds for entry in mine) / budget
        cells = " | ".join(f"{mean:.3f}" for mean in means)
        lines.append(f"| {name} | {mean_rank[name]:.2f} | {cells} | {cost:.1f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--budgets", type=int, nargs="+", default=list(BUDGETS))
    parser.add_argument("--samplers", nargs="+", choices=SAMPLERS, default=list(SAMPLERS))
    parser.add_argument("--json", type=Path, help="write every run's result there")
    options = parser.parse_args()
    entries = [
        entry
        for seed in range(options.seeds)
        for landscape in landscapes(seed)
        for name in options.samplers
        for entry in run(name, landscape, seed, sorted(options.budgets))
    ]
    for budget in sorted(options.budgets):
        print(table(entries, budget), end="\n\n", flush=True)
    if options.json:
        text = json.dumps([asdict(entry) for entry in entries], indent=1)
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
