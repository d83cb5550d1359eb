"""How long searches took to a target, from what each knew of its candidates and when."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

CUVEE, CUVEE_ACCURACY, PEER, PEER_BATCH_1, PEER_LIKELIHOOD = WAYS = (
    "cuvee",
    "cuvee_accuracy",
    "peer",
    "peer_batch_1",
    "peer_likelihood",
)

MARGIN = 0.12
"""Four standard errors of an accuracy on the 256 search items, at the target."""


@dataclass(frozen=True)
class Candidate:
    """A child that was scored whole, at the moment its score was known.

    `fitness` is its mean score on the search items, `tokens` were generated since the search began,
    `number` is how many candidates had ended, and `recipe` is YAML.
    """

    fitness: float
    seconds: float
    cpu_seconds: float
    tokens: int
    number: int
    recipe: str


@dataclass(frozen=True)
class Run:
    """One search up to the target, or to the cap on its time, where it counts as censored.

    `seconds`, `cpu_seconds`, `tokens` and `candidates` are those until then; for a search that
    ended by itself short of the target, `seconds` is the cap. `fitness` is that of the best
    candidate then, `holdout_accuracy` its accuracy on holdout where it was judged. `settings` say
    how candidates were scored.
    """

    way: str
    seed: int
    cap: float
    reached: bool
    seconds: float
    cpu_seconds: float
    tokens: int
    candidates: int
    fitness: float
    holdout_accuracy: float | None
    settings: dict[str, Any]


class Judgement:
    """Whether the best candidate so far, by fitness, has reached the target on holdout.

    `accuracy` judges a recipe, and is asked only of candidates that are better than all before and
    whose fitness is no further below the target than `MARGIN`.
    """

    def __init__(self, accuracy: Callable[[str], float], target: float) -> None:
        self._accuracy = accuracy
        self._target = target
        self.best: Candidate | None = None
        self.holdout: float | None = None

    def reached(self, candidate: Candidate) -> bool:
        """Take one more candidate into account."""
        if self.best is None or candidate.fitness > self.best.fitness:
            self.best = candidate
            far = candidate.fitness < self._target - MARGIN
            self.holdout = None if far else self._accuracy(candidate.recipe)
        return self.holdout is not None and self.holdout >= self._target


def judged(
    candidates: Iterable[Candidate],
    judgement: Judgement,
    *,
    way: str,
    seed: int,
    cap: float,
    settings: dict[str, Any],
) -> Run:
    """The run of these candidates, in the order of their times. None is asked for after the target
    or the cap."""
    last: Candidate | None = None
    reached = False
    for candidate in candidates:
        if candidate.seconds > cap:
            break
        last = candidate
        reached = judgement.reached(candidate)
        if reached:
            break
    return Run(
        way=way,
        seed=seed,
        cap=cap,
        reached=reached,
        seconds=last.seconds if last and reached else cap,
        cpu_seconds=last.cpu_seconds if last else 0.0,
        tokens=last.tokens if last else 0,
        candidates=last.number if last else 0,
        fitness=judgement.best.fitness if judgement.best else 0.0,
        holdout_accuracy=judgement.holdout,
        settings=settings,
    )


def ratios(runs: Sequence[Run], peer: str, *, own: str = CUVEE) -> dict[str, float | None] | None:
    """Mean seconds of the peer over Cuvee's, and Cuvee's tokens over the peer's, over the seeds
    that both have; None without any. `own` is the way of Cuvee's that is meant.

    Where runs of the peer alone are censored, it is slower than that, and has used more tokens.
    """
    by_way = {way: {run.seed: run for run in runs if run.way == way} for way in (own, peer)}
    seeds = sorted(by_way[own].keys() & by_way[peer].keys())
    if not seeds:
        return None
    ours, theirs = ([by_way[way][seed] for seed in seeds] for way in (own, peer))
    return {
        "seeds": len(seeds),
        "wall_speedup": _quotient([run.seconds for run in theirs], [run.seconds for run in ours]),
        "cpu_speedup": _quotient(
            [run.cpu_seconds for run in theirs], [run.cpu_seconds for run in ours]
        ),
        "token_ratio": _quotient([run.tokens for run in ours], [run.tokens for run in theirs]),
        "censored": sum(not run.reached for run in ours),
        "censored_peer": sum(not run.reached for run in theirs),
    }


def _quotient(above: Sequence[float], below: Sequence[float]) -> float | None:
    """That of two means; None where no candidate ended before the cap."""
    return mean(above) / mean(below) if any(below) else None


def write(path: Path, runs: Sequence[Run], target: float) -> None:
    """The figures as JSON; the headline is against the peer's best batch size. In `by_accuracy` and
    `by_likelihood` both go by the same."""
    headline = ratios(runs, PEER) or {}
    figures = {
        "target": target,
        "wall_speedup": headline.get("wall_speedup"),
        "token_ratio": headline.get("token_ratio"),
        "best_batch_size": headline or None,
        "by_accuracy": ratios(runs, PEER, own=CUVEE_ACCURACY),
        "by_likelihood": ratios(runs, PEER_LIKELIHOOD),
        "batch_size_1": ratios(runs, PEER_BATCH_1),
        "runs": [asdict(run) for run in runs],
    }
    path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def read(path: Path) -> list[Run]:
    """The runs in a file that `write` wrote; none if it is not there."""
    if not path.exists():
        return []
    return [Run(**run) for run in json.loads(path.read_text(encoding="utf-8"))["runs"]]


def in_flight(tokens: Sequence[int], workers: int) -> Iterator[int]:
    """After each of trials in the order of their ends, the tokens generated so far at most: those
    of the trials that have ended, and all of the next ones, which the other workers have begun."""
    for ended in range(1, len(tokens) + 1):
        yield sum(tokens[: ended + workers - 1])
