"""A short search of every kind of space over the bundled parents, by the real service."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from merging.dataflow.path import read_path
from merging.recipe import Recipe
from search.seeds import first_trials
from search.spaces import make_space
from search.spec import ModelShape, SearchSpec
from service.client import Client
from service.database import Database
from service.events import repository as events
from tests.running import RunningService, finish
from tests.trial_log import trial_log
from tests.zoo_spec import write_few, write_spec, zoo_spec

PARAMETER: dict[str, Any] = {"kind": "parameter", "base": "base", "parents": ["maths", "ja"]}
SPACES: dict[str, dict[str, Any]] = {
    "choices": PARAMETER
    | {
        "method": ["ties", "dare_ties", "task_arithmetic"],
        "base": ["base", "ja"],
        "choose_parents": {},
        "layer_groups": [1, 2, 1],
        "tensor_groups": ["norm"],
        "parameters": {
            "density": {"low": 0.1, "high": 1, "initial": 0.5, "scale": "log", "shared": True}
        },
    },
    "swap": PARAMETER | {"method": "layer_swap", "base": None},
    "pair": {"kind": "dataflow", "parents": ["base", "ja"], "scales": "pair", "initial_off": 0},
    "network": {"kind": "dataflow", "parents": ["base", "ja"], "scales": "network"},
}
TRIALS = 8


def stage(name: str, space: dict[str, Any]) -> dict[str, Any]:
    # Copies, since YAML would write what two stages share as an anchor.
    given = {key: deepcopy(value) for key, value in space.items() if value is not None}
    sampler = {"kind": "cmaes", "population": 4}
    return {"name": name, "space": given, "sampler": sampler, "budget": {"trials": TRIALS}}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("spaces")
    with RunningService(folder / "data", tasks=write_few(folder / "tasks")) as running:
        yield running


@pytest.fixture(scope="module")
def client(service: RunningService) -> Iterator[Client]:
    with service.client() as client:
        yield client


def test_every_kind_of_space_is_searched_from_its_seeds(
    service: RunningService, client: Client, tmp_path: Path
) -> None:
    alone = {"averages": False, "grid_step": None}
    data = zoo_spec(name="spaces", items=8, tasks=[{"task": "jsonl:few"}], baselines=alone)
    data["stages"] = [stage(name, space) for name, space in SPACES.items()]
    job = finish(client, write_spec(tmp_path, data))
    assert job.trials_failed == 0
    log = trial_log(service.data, job.id)
    assert len(log) == TRIALS * len(SPACES)
    database = Database(f"sqlite:///{service.data / 'cuvee.sqlite3'}")
    with database.snapshot() as session:
        told = [one.data for one in events.after(session, 0, job.id) if one.kind == "stage.seeded"]
    database.close()

    spec = SearchSpec.parse(data)
    shapes = {alias: ModelShape(4, tied_embeddings=True) for alias in spec.models}
    for place, one in enumerate(spec.stages):
        space = make_space(spec, one, shapes)
        seeds = first_trials(space, TRIALS)
        assert 1 <= len(seeds) <= TRIALS // 4
        trials = [trial for trial in log if trial["stage"] == one.name]
        first = trials[: len(seeds)]
        assert [trial["genome"] for trial in first] == [list(seed.genome) for seed in seeds]
        named = [
            {"trial": trial["number"], "label": seed.label}
            for trial, seed in zip(first, seeds, strict=True)
        ]
        assert told[place] == {"stage": one.name, "seeds": named}
        assert len({trial["digest"] for trial in trials}) > len(seeds)
        for trial in trials:
            assert Recipe.model_validate(trial["recipe"]) == space.decode(trial["genome"])

    recipes = {
        name: [Recipe.model_validate(one["recipe"]) for one in log if one["stage"] == name]
        for name in SPACES
    }
    chosen = recipes["choices"]
    assert len({recipe.merge_method for recipe in chosen}) > 1
    assert len({recipe.base_model for recipe in chosen}) > 1
    assert {recipe.merge_method for recipe in recipes["swap"]} == {"layer_swap"}
    for name in ("pair", "network"):
        paths = [path for recipe in recipes[name] if (path := read_path(recipe)) is not None]
        assert len(paths) == TRIALS
        assert all(2 <= len(path.hops) <= 6 for path in paths)
        assert any(hop.scale != 1 for path in paths for hop in path.hops)
