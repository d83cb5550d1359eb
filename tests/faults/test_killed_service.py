"""A service killed in the middle of a search goes on as if nothing had happened."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.running import RunningService, wait_for_end, wait_for_trials
from tests.trial_log import trial_log
from tests.zoo_spec import write_spec, zoo_spec

TRIALS = 30
_ALONE = {"averages": False, "grid_step": None}


def _killed_run(folder: Path, sampler: str, kill_after: list[int]) -> tuple[Path, str]:
    """Run the search, killing the service when that many trials have ended, each in its turn."""
    data = folder / f"killed-{'-'.join(map(str, kill_after))}"
    spec = write_spec(folder, zoo_spec(trials=TRIALS, sampler=sampler, baselines=_ALONE))
    with RunningService(data) as service:
        with service.client() as client:
            job_id = client.submit(spec).id
        for count in kill_after:
            with service.client() as client:
                wait_for_trials(client, job_id, count)
            service.kill()
            service.start()
        with service.client() as client:
            ended = wait_for_end(client, job_id)
            assert ended.state == "finished", ended.reason
            assert ended.trials_finished == TRIALS
    return data, job_id


@pytest.mark.parametrize(
    "sampler",
    [
        "cmaes",
        pytest.param("tpe", marks=pytest.mark.long),
        pytest.param("random", marks=pytest.mark.long),
    ],
)
def test_the_history_is_that_of_an_undisturbed_run(tmp_path: Path, sampler: str) -> None:
    undisturbed = trial_log(*_killed_run(tmp_path, sampler, []))
    # A fresh moment in every run; the data folder's name says which one it was.
    moment = random.SystemRandom().randrange(1, TRIALS)
    disturbed = trial_log(*_killed_run(tmp_path, sampler, [moment]))
    assert [trial["number"] for trial in undisturbed] == list(range(TRIALS))
    assert disturbed == undisturbed


@pytest.mark.long
def test_many_kills_change_nothing(tmp_path: Path) -> None:
    undisturbed = trial_log(*_killed_run(tmp_path, "cmaes", []))
    disturbed = trial_log(*_killed_run(tmp_path, "cmaes", [1, 6, 7, 20, 29]))
    assert disturbed == undisturbed
