"""Write golden.json: a trial log of every sampler for a fixed seed, and the genomes that follow."""

from __future__ import annotations

import json
from pathlib import Path

from search.replay import Generation, LoggedTrial
from tests.search.problems import SETTINGS, fresh, outcome_of, run

GOLDEN = Path(__file__).with_name("golden.json")
GENERATIONS = 3


def recorded(name: str) -> tuple[list[Generation], list[list[float]]]:
    """The log of a sampler that is on record, and the genomes of the generation after it."""
    record = json.loads(GOLDEN.read_text(encoding="utf-8"))[name]
    numbered = enumerate(genome for generation in record["log"] for genome in generation)
    flat = iter([LoggedTrial(i, tuple(one), outcome_of(i, tuple(one))) for i, one in numbered])
    return [[next(flat) for _ in generation] for generation in record["log"]], record["next"]


def record(name: str) -> dict[str, object]:
    """What is to be on record of a sampler."""
    sampler = fresh(name)
    log = run(sampler, GENERATIONS * sampler.batch)
    return {
        "log": [[list(trial.genome) for trial in generation] for generation in log],
        "next": [list(genome) for genome in sampler.ask(sampler.batch)],
    }


if __name__ == "__main__":
    entries = (f"{json.dumps(name)}: {json.dumps(record(name))}" for name in SETTINGS)
    GOLDEN.write_text("{" + ",\n".join(entries) + "}\n", encoding="utf-8")
