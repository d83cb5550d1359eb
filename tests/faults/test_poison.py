"""Candidates that crash, hang, eat memory or yield NaN, on a real Ray: they fail, the job ends."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from service.evaluations import repository as evaluations
from tests.faults.conftest import MakeService, events_of, opened, search, submit
from tests.faults.poison import DEEDS
from tests.running import wait_for_end

_TRIALS = 12
_REASONS = {
    "trial/3": "its worker died 3 times",
    "trial/5": "took longer than 10 s",
    "trial/4": "MemoryError",
    "trial/7": "the score of item 39 of 'word_problems_ja' is nan",
}


def test_poison_candidates_fail_with_their_reasons_and_the_job_ends(
    instant: MakeService, tmp_path: Path
) -> None:
    assert _REASONS.keys() == DEEDS.keys()
    spec = search(_TRIALS) | {"timeout_seconds": 10}
    service = instant("service", environment={"CUVEE_WORKER_MEMORY": "1"})
    service.start("--poison")
    with service.client() as client:
        job = wait_for_end(client, submit(client, tmp_path, spec))
        assert job.state == "finished", job.reason
        trials = client.trials(job.id)
    assert [trial.number for trial in trials] == list(range(_TRIALS))
    failed = {f"trial/{one.number}": one.reason or "" for one in trials if one.state == "failed"}
    assert failed.keys() == _REASONS.keys()
    assert all(_REASONS[trial] in reason for trial, reason in failed.items()), failed
    with opened(f"sqlite:///{service.data / 'cuvee.sqlite3'}") as database:
        assert events_of(database, job.id)["trial.finished"] == _TRIALS
        with database.snapshot() as session:
            scored = evaluations.all_of(session, job.id, kind="trial", split="search")
    assert Counter(one.subject.label for one in scored) == Counter(map(str, range(_TRIALS)))
