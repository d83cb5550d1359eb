"""Measure the zoo: `python -m zoo.measure [--split NAME] [--items N] [--search TRIALS] ...`.

Prints every parent, the plain average of every subset of the models, and the uniform-weight grid;
with `--search`, also a layer-wise CMA-ES search on the search split, its winner fixed on the select
split. A stand-alone check of the zoo's effect; jobs of the service are measured by the service.
"""

from __future__ import annotations

import argparse
import itertools
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from evaluators.task import Completion, Item, Split
from evaluators.word_problems import WordProblems

with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)  # it misses matplotlib, which nothing here needs
    import cma

HERE = Path(__file__).parent
MODELS: tuple[str, ...] = ("base", "maths", "ja", "distractor")
GRID: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
LAYER_GROUPS = 4

_ROWS = 256

Weights = dict[str, torch.Tensor]


class Bench:
    """One resident model that takes the weights of any mixture and is scored on word problems."""

    def __init__(self, folder: Path) -> None:
        loaded = {name: AutoModelForCausalLM.from_pretrained(folder / name) for name in MODELS}
        self.model: Any = loaded["base"]  # generate() is typed for a mixin that Llama lacks
        self.tokenizer = AutoTokenizer.from_pretrained(folder / "base")
        state = {name: dict(model.named_parameters()) for name, model in loaded.items()}
        self.base: Weights = {k: v.detach().clone() for k, v in state["base"].items()}
        self.deltas: dict[str, Weights] = {
            name: {k: v.detach() - self.base[k] for k, v in state[name].items()}
            for name in MODELS[1:]
        }

    @torch.inference_mode()
    def load(self, weights: Mapping[str, Sequence[float]]) -> None:
        """Base plus the weighted deltas; one weight a layer group and a last one for the rest."""
        for key, parameter in self.model.named_parameters():
            parameter.copy_(self.base[key])
            for name, by_group in weights.items():
                parameter.add_(self.deltas[name][key], alpha=by_group[self._group(key)])

    def score(self, task: WordProblems, items: Sequence[Item]) -> float:
        """Mean item value of the loaded mixture."""
        values = (
            task.score(item, completion).value
            for item, completion in zip(items, self._complete(task, items), strict=True)
        )
        return sum(values) / len(items)

    def _group(self, key: str) -> int:
        if ".layers." not in key:
            return LAYER_GROUPS
        layer = int(key.partition(".layers.")[2].partition(".")[0])
        return layer * LAYER_GROUPS // int(self.model.config.num_hidden_layers)

    @torch.inference_mode()
    def _complete(self, task: WordProblems, items: Sequence[Item]) -> Iterator[Completion]:
        limit = task.generation.max_new_tokens
        for first in range(0, len(items), _ROWS):
            prompts = [item.prompt for item in items[first : first + _ROWS]]
            batch = self.tokenizer(prompts, return_tensors="pt", padding=True)
            written = self.model.generate(**batch, do_sample=False, max_new_tokens=limit)
            for row in written[:, batch["input_ids"].shape[1] :]:
                ended = bool((row == self.tokenizer.eos_token_id).any())
                text = str(self.tokenizer.decode(row, skip_special_tokens=True))
                for stop in task.generation.stop:
                    text, found, _ = text.partition(stop)
                    ended = ended or bool(found)
                yield Completion(text, truncated=not ended, tokens=len(row))


def subsets() -> Iterator[tuple[str, ...]]:
    """Every subset of at least two models, the base among them."""
    for size in range(2, len(MODELS) + 1):
        yield from itertools.combinations(MODELS, size)


def uniform(**weights: float) -> dict[str, list[float]]:
    """One weight a parent, the same everywhere."""
    return {name: [weight] * (LAYER_GROUPS + 1) for name, weight in weights.items()}


def interval(share: float, n: int) -> tuple[float, float]:
    """Wilson's 95% interval of a share of `n` items."""
    z = 1.959964
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return middle - half, middle + half


def search(
    bench: Bench, task: WordProblems, items: Sequence[Item], trials: int, seed: int
) -> list[tuple[float, list[float]]]:
    """Layer-wise CMA-ES over maths and ja: (fitness, ten weights) of every trial, best first."""
    half = LAYER_GROUPS + 1
    strategy = cma.CMAEvolutionStrategy(
        [0.5] * (2 * half),
        0.25,
        {"popsize": 10, "bounds": [-0.5, 2.0], "seed": seed, "verbose": -9},
    )
    log: list[tuple[float, list[float]]] = []
    while len(log) < trials:
        genomes = strategy.ask()
        fitness = []
        for genome in genomes:
            bench.load({"maths": genome[:half], "ja": genome[half:]})
            fitness.append(bench.score(task, items))
            log.append((fitness[-1], [float(x) for x in genome]))
        strategy.tell(genomes, [-f for f in fitness])
        best = max(f for f, _ in log)
        print(f"trial {len(log)}: best {best:.3f}, mean {np.mean(fitness):.3f}", flush=True)
    return sorted(log, key=lambda entry: -entry[0])


def main() -> None:
    """Command line; see the module's docstring."""
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    bench = Bench(arguments.models)
    task = WordProblems(arguments.language)
    split: Split = arguments.split
    items = task.items(split)[: arguments.items]

    def show(label: str, weights: Mapping[str, Sequence[float]]) -> float:
        bench.load(weights)
        share = bench.score(task, items)
        low, high = interval(share, len(items))
        print(f"{label}: {100 * share:.1f} [{100 * low:.1f}, {100 * high:.1f}]", flush=True)
        return share

    print(f"{task.name}, {split}, n = {len(items)}, percent with 95% interval")
    show("base", {})
    for name in MODELS[1:]:
        show(name, uniform(**{name: 1.0}))
    for subset in subsets():
        weights = {name: 1 / len(subset) for name in subset if name != "base"}
        show("average of " + ", ".join(subset), uniform(**weights))
    if arguments.grid:
        points = [dict(zip(MODELS[1:], p, strict=True)) for p in itertools.product(GRID, repeat=3)]
        points += [
            {"maths": m, "ja": j, "distractor": 0.0}
            for m, j in itertools.product((*GRID, 1.2, 1.4, 1.6), repeat=2)
            if max(m, j) > 1
        ]
        scores = [show(f"uniform {point}", uniform(**point)) for point in points]
        best = max(range(len(points)), key=scores.__getitem__)
        print(f"best uniform: {100 * scores[best]:.1f} at {points[best]}")
    if arguments.search:
        chosen = task.items("search")[: arguments.search_items]
        finalists = search(bench, task, chosen, arguments.search, arguments.seed)[:10]
        half = LAYER_GROUPS + 1
        scored = []
        for _, genome in finalists:
            bench.load({"maths": genome[:half], "ja": genome[half:]})
            scored.append((bench.score(task, task.items("select")), genome))
        select, genome = max(scored)
        print(f"winner: {100 * select:.1f} on select, {[round(x, 3) for x in genome]}")
        show("winner", {"maths": genome[:half], "ja": genome[half:]})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m zoo.measure", description=__doc__)
    parser.add_argument("--models", type=Path, default=HERE, help="folder of the model folders")
    parser.add_argument("--language", choices=("ja", "en"), default="ja")
    parser.add_argument("--split", choices=("search", "select", "holdout"), default="search")
    parser.add_argument("--items", type=int, default=None, help="the first N items only")
    parser.add_argument("--grid", action="store_true", help="the uniform-weight grid as well")
    parser.add_argument("--search", type=int, default=0, metavar="TRIALS")
    parser.add_argument("--search-items", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
