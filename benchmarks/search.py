"""The demo's search beside mergekit-evolve's: time and tokens to a good child.

Same parents, same items, same gene groups. A search has arrived when the best candidate so far, by
its score on the search items, solves the target share of the holdout items. That is judged outside
the clock, the same way for all. Cuvee is the real service; what stands for mergekit-evolve is in
`benchmarks.search_peer`. Either goes by accuracy, or by the likelihood of worked solutions.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path
from statistics import mean

import torch
from rich.console import Console
from rich.table import Table
from transformers import AutoTokenizer

from benchmarks.search_by_cuvee import search_by_cuvee
from benchmarks.search_by_peer import PeerSearches
from benchmarks.search_demo import ROOT, demo
from benchmarks.search_runs import (
    CUVEE,
    CUVEE_ACCURACY,
    PEER,
    PEER_BATCH_1,
    PEER_LIKELIHOOD,
    WAYS,
    Judgement,
    Run,
    ratios,
    read,
    write,
)
from benchmarks.search_task import TASK
from evaluators.scoring import PreparedTask
from merging.engine import MergeEngine
from merging.recipe import Recipe

BEST_KNOWN = 0.706
"""The best child's accuracy on holdout, of the README."""
TARGET = 0.9 * BEST_KNOWN


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
        default=[16, 32, 64, 128, 256],
        help="mergekit-evolve's sizes to try, but for peer_batch_1 (%(default)s)",
    )
    parser.add_argument("--dtypes", nargs="+", default=["bfloat16", "float32"], help="to try")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="to try")
    parser.add_argument("--json", type=Path, help="add the runs to those in this file")
    options = parser.parse_args()
    runs = read(options.json) if options.json else []
    judge = Judge()
    peer = PeerSearches(options)
    for seed in options.seeds:
        for way in options.ways:
            judgement = Judgement(judge.accuracy, TARGET)
            if way in (CUVEE, CUVEE_ACCURACY):
                allocation = options.allocation if way == CUVEE_ACCURACY else None
                runs.append(search_by_cuvee(way, seed, options.cap, allocation, judgement))
            else:
                runs.append(peer.search(way, seed, judgement))
            _print(runs)
            if options.json:
                write(options.json, runs, TARGET)


class Judge:
    """Scores recipes on the holdout items; models are named by reference or by folder."""

    def __init__(self) -> None:
        # Faster than two on a small model, and steadier on a busy machine.
        torch.set_num_threads(1)
        references = [model["ref"] for model in demo()["models"].values()]
        folders = {name: ROOT / name for name in references}
        self._engine = MergeEngine(
            {**folders, **{str(ROOT / name): ROOT / name for name in folders}}
        )
        tokenizer = AutoTokenizer.from_pretrained(ROOT / references[0])
        self._items = PreparedTask(TASK, "holdout", tokenizer)

    def accuracy(self, recipe: str) -> float:
        """The share of holdout items that the recipe's child solves."""
        return mean(self._items.score(self._engine.merge(Recipe.from_yaml(recipe))).values)


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
    for own, peer in product((CUVEE, CUVEE_ACCURACY), (PEER, PEER_BATCH_1, PEER_LIKELIHOOD)):
        found = ratios(runs, peer, own=own) or {}
        shown = [f"{name} {one:.3g}" for name, one in found.items() if one is not None]
        if shown:
            console.print(f"{own} against {peer}: {', '.join(shown)}")


if __name__ == "__main__":
    main()
