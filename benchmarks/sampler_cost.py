"""What a draw costs after so many trials, by sampler and number of genes.

    python -m benchmarks.sampler_cost --trials 100 1000 --json cost.json

Trials are given to the sampler as a first generation; then one generation of draws is timed.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.samplers import SAMPLERS
from search.gene import Gene
from search.samplers import Outcome, make_sampler
from search.samplers.random import uniform_genome


@dataclass(frozen=True)
class Cost:
    """`milliseconds` of processor time a draw, and `learning` a trial told."""

    sampler: str
    genes: int
    trials: int
    milliseconds: float
    learning: float


def measure(name: str, count: int, trials: int) -> Cost:
    """The cost of one generation of draws after so many trials."""
    genes = [Gene(f"weight[{i}]", -0.5, 2.0, 0.5) for i in range(count)]
    seeds = [tuple(uniform_genome(genes, 1, number)) for number in range(trials)]
    sampler = make_sampler(SAMPLERS[name], genes, 0, seeds=seeds)
    began = time.process_time()
    for number, genome in enumerate(sampler.ask(trials)):
        sampler.tell(number, genome, Outcome((-sum((x - 1) ** 2 for x in genome),), 1))
    learnt = time.process_time()
    drawn = sampler.ask(sampler.batch)
    ended = time.process_time()
    draw, learning = (ended - learnt) / len(drawn), (learnt - began) / trials
    return Cost(name, count, trials, 1000 * draw, 1000 * learning)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 300, 1000])
    parser.add_argument("--genes", type=int, nargs="+", default=[10, 64])
    parser.add_argument("--samplers", nargs="+", choices=SAMPLERS, default=list(SAMPLERS))
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    print("| sampler | genes | trials | ms a draw | ms a trial told |\n|---|---|---|---|---|")
    costs = []
    for name in options.samplers:
        for genes in options.genes:
            for trials in options.trials:
                cost = measure(name, genes, trials)
                costs.append(cost)
                figures = f"{cost.milliseconds:.1f} | {cost.learning:.1f}"
                print(f"| {name} | {genes} | {trials} | {figures} |", flush=True)
    if options.json:
        text = json.dumps([asdict(cost) for cost in costs], indent=1)
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
