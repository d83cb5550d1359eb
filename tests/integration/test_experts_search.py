"""A search for how many experts a mixture can spare, through the real service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM

from merging.checkpoint import open_parent
from merging.moe.layout import expert_blocks
from service.client import ApiError
from service.database import Database
from service.events import repository as events
from tests.running import RunningService, finish
from tests.trial_log import trial_log
from tests.zoo_spec import write_spec, zoo_spec

BLOCKS = 4
TRIALS = 8


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with RunningService(tmp_path_factory.mktemp("experts") / "data") as running:
        yield running


def spec_of(model: str, **more: Any) -> dict[str, Any]:
    stage = {
        "name": "experts",
        "space": {
            "kind": "parameter",
            "method": "moe_merge",
            "parents": ["moe"],
            "parameters": {"groups": {"low": 4, "high": 7, "initial": 6}},
            "calibration": {"items": 16},
        },
        "sampler": {"kind": "cmaes", "population": 4, "sigma": 0.3},
        "budget": {"trials": TRIALS},
    }
    alone = {"averages": False, "grid_step": None}
    return zoo_spec(models={"moe": {"ref": model}}, stages=[stage], baselines=alone, **more)


def test_one_model_is_searched_prepared_once_and_exported(
    service: RunningService, tmp_path: Path
) -> None:
    spec = write_spec(tmp_path, spec_of("zoo/moe", name="experts"))
    with service.client() as client:
        job = finish(client, spec)
        again = finish(client, spec)
        folder = Path(client.export(job.id).folder)
    log = trial_log(service.data, job.id)
    assert log == trial_log(service.data, again.id)
    groups = [trial["recipe"]["parameters"]["groups"] for trial in log]
    assert all(4 <= one <= 7 for one in groups)
    assert len(set(groups)) == TRIALS
    # More experts, more of the skill: what the sampler learns from.
    most, fewest = (log[groups.index(one)]["fitness"] for one in (max(groups), min(groups)))
    assert most > fewest
    # Both jobs asked, and the second found what the first had computed.
    assert len(list((service.data / "statistics").glob("routing-*.safetensors"))) == 1
    database = Database(f"sqlite:///{service.data / 'cuvee.sqlite3'}")
    with database.snapshot() as session:
        told = [one for one in events.after(session, 0) if one.kind == "statistics.prepared"]
        assert [(one.job_id, one.data["model"]) for one in told] == [
            (job.id, "zoo/moe"),
            (again.id, "zoo/moe"),
        ]
    database.close()
    assert job.winner is not None
    kept = round(groups[job.winner] * BLOCKS)
    child = open_parent(folder)
    downs = [one.down for block in expert_blocks(child.info.tensors) for one in block.experts]
    assert len({child.tensor(name).float().numpy().tobytes() for name in downs}) == kept
    assert AutoModelForCausalLM.from_pretrained(folder).config.model_type == "mixtral"


def test_a_model_without_experts_is_refused_at_once(
    service: RunningService, tmp_path: Path
) -> None:
    spec = write_spec(tmp_path, spec_of("zoo/base", name="dense"))
    with service.client() as client, pytest.raises(ApiError, match="has no experts"):
        client.submit(spec)
