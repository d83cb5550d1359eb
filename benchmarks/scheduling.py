"""How busy many workers are with few small populations, in simulated time.

    python -m benchmarks.scheduling --workers 512 --jobs 1 2 4 8 --blocks auto whole 8 16 32 64

What is handed out next is decided by the controller's own code (`service.controller.queueing`,
`dealing` and `sharing`); time alone is simulated. To build a child takes a log-normal time, and so
does every item, times a factor of its trial: some children write more than others. A worker that
gets another block of the child that it holds does not build it again.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from search.item_blocks import automatic_size, cut
from service.controller.dealing import deal
from service.controller.queueing import WorkQueue
from service.controller.sharing import FairShare


@dataclass(frozen=True)
class Times:
    """Medians in seconds, and the standard deviations of the logarithms."""

    build: float = 4.0
    item: float = 0.5
    build_spread: float = 0.3
    item_spread: float = 1.0
    trial_spread: float = 0.5


@dataclass(frozen=True)
class Load:
    """`jobs` searches of `generations` of `population` trials of `items` each, in blocks of `block`
    items; 0 for whole trials. `steady`: a trial is drawn whenever a worker is free."""

    jobs: int = 4
    population: int = 16
    generations: int = 4
    items: int = 1000
    block: int = 16
    steady: bool = False


@dataclass(frozen=True)
class Piece:
    """One block of one trial: what building the child takes, and what scoring the block does."""

    trial: int
    build: float
    score: float


@dataclass(frozen=True)
class Found:
    """`busy`: the share of the workers' time in which they build or score, until the first job has
    ended. `scoring`: without building. `seconds`: until the last job has ended."""

    busy: float
    scoring: float
    seconds: float


class Search:
    """A job's life: trials in blocks, a generation begun when the one before it is recorded."""

    def __init__(self, load: Load, times: Times, seed: int) -> None:
        self._load = load
        self._times = times
        # Of their own, so that items take as long however they are cut into blocks.
        self._draws, self._builds = np.random.default_rng(seed).spawn(2)
        self._left = iter(range(load.generations * load.population))

    def steps(self) -> Iterator[Sequence[Piece]]:
        size = 1 if self._load.steady else self._load.population
        while trials := list(itertools.islice(self._left, size)):
            yield [piece for trial in trials for piece in self._pieces(trial)]

    def more(self) -> Sequence[Piece]:
        trial = next(self._left, None) if self._load.steady else None
        return [] if trial is None else list(self._pieces(trial))

    def wants(self, task: Piece) -> bool:
        return True

    def record(self, task: Piece, result: None) -> Sequence[Piece]:
        return []

    def _pieces(self, trial: int) -> Iterator[Piece]:
        times, load = self._times, self._load
        slow = times.trial_spread * self._draws.standard_normal()
        spread = times.item_spread * self._draws.standard_normal(load.items)
        seconds = times.item * np.exp(spread + slow)
        for block in cut({"items": load.items}, load.block or load.items):
            build = times.build * math.exp(times.build_spread * self._builds.standard_normal())
            places = list(block.places["items"])
            yield Piece(trial, build, float(seconds[places].sum()))


def simulate(load: Load, times: Times, *, workers: int, seed: int = 0) -> Found:
    """Run the load on so many workers, all of which are there from the beginning."""
    queues: dict[str, WorkQueue[Piece, None]] = {
        f"job {number}": WorkQueue(Search(load, times, seed + number))
        for number in range(load.jobs)
    }
    shares = FairShare()
    for job in queues:
        shares.join(job, 1.0)
    clock, ended = 0.0, math.inf
    idle = list(range(workers))
    holds: dict[int, tuple[str, int]] = {}
    flying: list[tuple[float, int, int, str, Piece]] = []
    seconds: dict[int, float] = {}
    spans: list[tuple[float, float, float]] = []
    order = itertools.count()

    def give(job: str) -> bool:
        piece = queues[job].next()
        if piece is None:
            return False
        worker = idle.pop()
        shares.begun(job)
        child = job, piece.trial
        build = 0.0 if holds.get(worker) == child else piece.build
        holds[worker] = child
        end = clock + build + piece.score
        heapq.heappush(flying, (end, next(order), worker, job, piece))
        spans.append((clock, end, build))
        seconds[worker] = build + piece.score
        return True

    while True:
        deal(lambda: len(idle), shares.order, give)
        if any(queue.done for queue in queues.values()):
            ended = min(ended, clock)
        if not flying:
            break
        clock, _, worker, job, piece = heapq.heappop(flying)
        idle.append(worker)
        shares.ended(job, seconds[worker])
        queues[job].record(piece, None)
    busy = sum(min(end, ended) - min(begin, ended) for begin, end, _ in spans)
    building = sum(build for begin, _, build in spans if begin < ended)
    return Found(busy / workers / ended, (busy - building) / workers / ended, clock)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[512])
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--blocks", nargs="+", default=["auto", "whole", "8", "16", "32", "64"])
    parser.add_argument("--population", type=int, default=16)
    parser.add_argument("--generations", type=int, default=4)
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--steady", action="store_true", help="samplers without generations")
    options = parser.parse_args()
    print("| workers | jobs | block | busy | scoring | hours |\n|---|---|---|---|---|---|")
    cases = itertools.product(options.workers, options.jobs, options.blocks)
    for workers, jobs, block in cases:
        size = _size(block, options.population, options.items, workers)
        load = Load(
            jobs, options.population, options.generations, options.items, size, options.steady
        )
        found = simulate(load, Times(), workers=workers)
        shares = f"{found.busy:.1%} | {found.scoring:.1%} | {found.seconds / 3600:.2f}"
        told = f"auto ({size or 'whole'})" if block == "auto" else block
        print(f"| {workers} | {jobs} | {told} | {shares} |", flush=True)


def _size(block: str, population: int, items: int, workers: int) -> int:
    if block == "auto":
        return automatic_size(population, items, workers) or 0
    return 0 if block == "whole" else int(block)


if __name__ == "__main__":
    main()
