"""mergekit-evolve's searches of `benchmarks.search`, each in a process of its own environment."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.peer import SearchingPeer, searching_environment
from benchmarks.search_demo import LIKELIHOODS, ROOT, demo
from benchmarks.search_runs import (
    PEER_BATCH_1,
    PEER_LIKELIHOOD,
    Candidate,
    Judgement,
    Run,
    judged,
)
from benchmarks.search_task import NAMES, write_tasks
from evaluators.cards import EXACT_MATCH, TARGET_BITS_PER_CHAR
from merging.checkpoint import inspect_checkpoint


class PeerSearches:
    """Searches in processes that wait while a candidate is judged.

    How children are scored soonest is tried with the first seed of a way, and holds for the others.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._tried: dict[str, dict[str, Any]] = {}

    def search(self, way: str, seed: int, judgement: Judgement) -> Run:
        """One search, in one of mergekit-evolve's ways."""
        spec = demo()
        space = spec["stages"][0]["space"]
        models = {alias: str(ROOT / model["ref"]) for alias, model in spec["models"].items()}
        depth = inspect_checkpoint(Path(models[space["base"]])).num_layers
        likelihood = way == PEER_LIKELIHOOD
        chosen: dict[str, Any] = {
            "method": self._options.method,
            "filters": self._options.filters,
            "metric": TARGET_BITS_PER_CHAR if likelihood else EXACT_MATCH,
            "items": LIKELIHOODS if likelihood else None,
        }
        with tempfile.TemporaryDirectory(prefix="cuvee-search-") as folder:
            write_tasks(Path(folder))
            settings = chosen | {
                "seed": seed,
                "task": NAMES[chosen["metric"]],
                "task_folder": folder,
                "base": models[space["base"]],
                "parents": [models[alias] for alias in space["parents"]],
                "layer_granularity": depth // space["layer_groups"],
                **self._to_try(way),
            }
            with SearchingPeer(searching_environment(ROOT / ".bench/mergekit"), settings) as peer:
                self._tried[way] = peer.ask({})
                return judged(
                    _peer_candidates(peer),
                    judgement,
                    way=way,
                    seed=seed,
                    cap=self._options.cap,
                    settings=chosen | self._tried[way],
                )

    def _to_try(self, way: str) -> dict[str, Any]:
        if way == PEER_BATCH_1:
            # One row at a time gives a second thread nothing to do.
            return {"threads": [1], "dtypes": ["bfloat16"], "batch_sizes": [1]}
        if found := self._tried.get(way):
            threads, dtype, size = (found[name] for name in ("threads", "dtype", "batch_size"))
            return {"threads": [threads], "dtypes": [dtype], "batch_sizes": [size]}
        return {
            "threads": self._options.threads,
            "dtypes": self._options.dtypes,
            "batch_sizes": self._options.batch_sizes,
        }


def _peer_candidates(peer: SearchingPeer) -> Iterator[Candidate]:
    number = 0
    while "ended" not in (answer := peer.ask({})):
        number += 1
        known = ("fitness", "seconds", "cpu_seconds", "tokens", "recipe")
        yield Candidate(number=number, **{name: answer[name] for name in known})
