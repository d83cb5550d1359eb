"""The demo's spec, and its search as `benchmarks.search` asks it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from evaluators.cards import TARGET_BITS_PER_CHAR

ROOT = Path(__file__).parent.parent
SPEC = ROOT / "examples" / "japanese-maths.yaml"
POPULATION = 5
"""By accuracy soonest there, in simulated searches of seeds 1 to 5 and 11 to 15."""
LIKELIHOODS, LIKELIHOOD_POPULATION = 64, 6
"""Items by likelihood, mergekit-evolve's too, and Cuvee's population: soonest there in those of
seeds 11 to 16."""


def demo() -> dict[str, Any]:
    """The spec of the demo."""
    spec: dict[str, Any] = yaml.safe_load(SPEC.read_text(encoding="utf-8"))
    return spec


def job_spec(seed: int, cap: float, allocation: str | None) -> dict[str, Any]:
    """The demo's search with another seed and population, for `cap` seconds at most: by accuracy in
    this allocation or, for None, by the likelihood of the worked solutions of the first items."""
    spec = demo()
    spec |= {"name": f"search-{seed}", "seed": seed}
    sampler = spec["stages"][0]["sampler"]
    if allocation is None:
        spec["tasks"][0]["search_metric"] = TARGET_BITS_PER_CHAR
        spec["items"] = LIKELIHOODS
        sampler["population"] = LIKELIHOOD_POPULATION
    else:
        spec["allocation"] = {"kind": allocation}
        sampler["population"] = POPULATION
    spec["stages"][0]["budget"] |= {"seconds": cap}
    return spec
