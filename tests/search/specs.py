"""A valid spec to start from, and models to go with it."""

from __future__ import annotations

from typing import Any

from search.spec import ModelShape, SearchSpec

SHAPES = {alias: ModelShape(4, tied_embeddings=True) for alias in ("base", "maths", "ja", "spare")}


def spec_data(
    space: dict[str, Any] | None = None, sampler: dict[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    """A valid spec as plain data; `space` changes the stage's space (None removes a key), and
    `fields` the spec's own fields."""
    full: dict[str, Any] = {
        "kind": "parameter",
        "method": "task_arithmetic",
        "base": "base",
        "parents": ["maths", "ja"],
        "layer_groups": 4,
    } | (space or {})
    stage = {
        "name": "weights",
        "space": {key: value for key, value in full.items() if value is not None},
        "sampler": sampler or {"kind": "cmaes", "population": 10, "sigma": 0.25},
        "budget": {"trials": 300},
    }
    return {
        "name": "japanese-maths",
        "seed": 7,
        "models": {alias: {"ref": f"zoo/{alias}"} for alias in SHAPES},
        "tasks": [{"task": "word_problems_ja"}],
        "stages": [stage],
    } | fields


def make_spec(space: dict[str, Any] | None = None, **fields: Any) -> SearchSpec:
    return SearchSpec.parse(spec_data(space, **fields))
