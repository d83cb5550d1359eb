"""Runs in mergekit's environment: mergekit-evolve's search, one candidate for every line asked.

mergekit-evolve's own command does not start with a current lm-eval. This is its search, in memory,
from its parts: its genome and what that decodes to, mergekit's plan and executor into a resident
model, lm-eval's `simple_evaluate` on that model as the fitness, and pycma's `fmin2` with its
settings (sigma 1/6, start at its initial genotype). What differs is named where it does.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import cma
import lm_eval
import numpy as np
import torch
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from mergekit.evo.genome import ModelGenome, ModelGenomeDefinition
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from benchmarks.peer_server import merge

SIGMA = 1 / 6
_WARMING = 8
DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


def main() -> None:
    """Answer the first line with what was chosen, every other with a candidate or the end."""
    settings = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    # What the libraries print is no answer.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def answer(what: Mapping[str, Any]) -> None:
        answers.write(json.dumps(what) + "\n")
        answers.flush()

    search = Search(settings)
    _wait()
    answer(asdict(search.way))
    clock = Clock()

    def fitness(genomes: Sequence[np.ndarray]) -> list[float]:
        found = []
        for genome in genomes:
            with clock.stopped():
                _wait()
            score = search.evaluate(genome)
            found.append(-score)
            answer(
                {
                    "fitness": score,
                    "tokens": search.tokens,
                    "recipe": search.recipe(genome).to_yaml(),
                    "merge_seconds": search.merge_seconds,
                    **clock.read(),
                }
            )
        return found

    reasons = search.run(fitness)
    with clock.stopped():
        _wait()
    answer({"ended": reasons, **clock.read()})


@dataclass(frozen=True)
class Way:
    """How children are scored."""

    threads: int
    dtype: str
    batch_size: int


class Search:
    """A genome, a resident model, and a metric of an lm-eval task on its first items or, for None,
    all of them.

    Of the threads, number formats and batch sizes in the settings, those are taken that score the
    child of the initial genome soonest; one of each is taken without a try. `tokens` are generated
    so far, up to the end of each answer, and `merge_seconds` spent in merging.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._seed = settings["seed"]
        self._task = settings["task"]
        self._metric = settings["metric"]
        self._items = settings["items"]
        self._genome = ModelGenome(
            ModelGenomeDefinition.model_validate(
                {
                    "models": settings["parents"],
                    "base_model": settings["base"],
                    "merge_method": settings["method"],
                    "layer_granularity": settings["layer_granularity"],
                    "filters": settings["filters"] or None,
                }
            )
        )
        self._tasks = TaskManager(include_path=settings["task_folder"], include_defaults=False)
        self._tokenizer = AutoTokenizer.from_pretrained(settings["base"])
        self._config = AutoConfig.from_pretrained(settings["base"])
        newline = self._tokenizer("\n", add_special_tokens=False)["input_ids"]
        self._ends = torch.tensor([self._tokenizer.eos_token_id, *newline])
        self._merged: dict[str, torch.Tensor] = {}
        listed = (settings[name] for name in ("threads", "dtypes", "batch_sizes"))
        ways = [Way(*choice) for choice in product(*listed)]
        self.way = min(ways, key=self._try) if len(ways) > 1 else ways[0]
        self._set_up(self.way)
        # As Cuvee's service, it is asked when it is ready: what is loaded once, is loaded.
        self.evaluate(self._start(), _WARMING)
        self.tokens = 0
        self.merge_seconds = 0.0

    def run(self, fitness: Any) -> list[str]:
        """Search until pycma ends it; its reasons. `fitness` is the cost of several genomes."""
        # simple_evaluate and mergekit draw from numpy's and torch's global generators, which in
        # mergekit-evolve are those of another process.
        generator = np.random.default_rng(self._seed)
        options = {
            "seed": float("nan"),
            "randn": lambda *shape: generator.standard_normal(shape),
            "verbose": -9,
            "verb_log": 0,
        }
        _, strategy = cma.fmin2(
            None, self._start(), SIGMA, options=options, parallel_objective=fitness
        )
        return list(strategy.stop())

    def recipe(self, genome: np.ndarray) -> Any:
        """The merge configuration of a genome."""
        return self._genome.genotype_merge_config(genome)

    def evaluate(self, genome: np.ndarray, limit: int | None = None) -> float:
        """The score of a genome's child, on the first `limit` of the search's items."""
        self.merge_seconds += merge(self.recipe(genome).to_yaml(), 0, self._merged)
        with torch.no_grad():
            for name, parameter in self._model.model.named_parameters():
                parameter.copy_(self._merged[name])
        # The models have no chat template, which mergekit-evolve applies by default.
        results = lm_eval.simple_evaluate(
            model=self._model,
            tasks=[self._task],
            task_manager=self._tasks,
            batch_size=self.way.batch_size,
            limit=limit or self._items,
            log_samples=False,
        )
        return float(results["results"][self._task][f"{self._metric},none"])

    def _start(self) -> np.ndarray:
        return np.asarray(self._genome.initial_genotype().view(-1).numpy(), dtype=float)

    def _try(self, way: Way) -> float:
        self._set_up(way)
        self.evaluate(self._start(), _WARMING)
        started = time.perf_counter()
        self.evaluate(self._start())
        return time.perf_counter() - started

    def _set_up(self, way: Way) -> None:
        self.way = way
        self.tokens = 0
        self.merge_seconds = 0.0
        torch.set_num_threads(way.threads)
        auto: Any = AutoModelForCausalLM
        model = auto.from_config(self._config, dtype=DTYPES[way.dtype])
        model.eval().requires_grad_(False)
        self._model = HFLM(pretrained=model, tokenizer=self._tokenizer, batch_size=way.batch_size)
        generate = self._model._model_generate

        def counting(context: torch.Tensor, **options: Any) -> torch.Tensor:
            written: torch.Tensor = generate(context, **options)
            self._count(written[:, context.shape[1] :])
            return written

        self._model._model_generate = counting

    def _count(self, written: torch.Tensor) -> None:
        """Rows that have ended are padded, or go on until the last has: what follows is not
        counted."""
        ended = torch.isin(written, self._ends)
        lengths = torch.where(ended.any(1), ended.int().argmax(1) + 1, written.shape[1])
        self.tokens += int(lengths.sum())


class Clock:
    """Seconds by the clock and of the processor since it was made, less those while stopped.

    lm-eval asks other programs about the machine for every child; the processor's are theirs too.
    """

    def __init__(self) -> None:
        self._wall = -time.perf_counter()
        self._cpu = -_cpu_seconds()

    def read(self) -> dict[str, float]:
        """Both so far."""
        return {
            "seconds": self._wall + time.perf_counter(),
            "cpu_seconds": self._cpu + _cpu_seconds(),
        }

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Time passes uncounted."""
        before = self.read()
        yield
        after = self.read()
        self._wall -= after["seconds"] - before["seconds"]
        self._cpu -= after["cpu_seconds"] - before["cpu_seconds"]


def _cpu_seconds() -> float:
    """This process's so far, and those of programs that it has run to their end."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _wait() -> None:
    """Wait for a line; the end of all ends the process."""
    if not sys.stdin.readline():
        raise SystemExit


if __name__ == "__main__":
    main()
