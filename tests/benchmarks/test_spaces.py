"""The same number of trials in each space, of specs that the service takes."""

from __future__ import annotations

import pytest
import yaml

from benchmarks.spaces import BOTH, PATHS, WAYS, WEIGHTS, job_spec
from search.spec import SearchSpec


@pytest.mark.parametrize("way", WAYS)
def test_every_way_has_the_same_trials(way: str) -> None:
    spec = SearchSpec.from_yaml(yaml.safe_dump(job_spec(way, 3, 250)))
    assert sum(stage.budget.trials or 0 for stage in spec.stages) == 250
    assert spec.seed == 3


def test_paths_alone_lead_through_all_models_and_afterwards_through_the_best_child() -> None:
    parents = {way: job_spec(way, 1, 10)["stages"][-1]["space"]["parents"] for way in (PATHS, BOTH)}
    assert parents == {PATHS: ["base", "maths", "ja"], BOTH: ["weights.best", "maths", "ja"]}
    assert len(job_spec(WEIGHTS, 1, 10)["stages"]) == 1
