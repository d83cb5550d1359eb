"""A search whose tasks are answered by votes and by programs, from the spec to the API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args

import httpx
import pytest

from evaluators.answering.program_text import Missing
from evaluators.sandbox import FAILURES
from evaluators.task import SPLITS
from evaluators.word_problems import WordProblems
from service.client import Client
from service.jobs.schemas import JobDetail
from tests.running import RunningService, finish
from tests.zoo_spec import write_spec, zoo_spec

ITEMS = {"search": 16, "select": 8, "holdout": 12}
VOTED, PROGRAMMED = "jsonl:voted", "jsonl:programmed"
VOTE = {"kind": "self_consistency", "of": "direct", "samples": 3, "temperature": 0.5}
PROGRAM = {"kind": "program", "shots": 0, "max_new_tokens": 24, "agreement": True}
NAMES: set[str] = {*FAILURES, *get_args(Missing)}


def answering_spec() -> dict[str, Any]:
    """Racing, so that votes and failures come in blocks too."""
    tasks = [
        {"task": VOTED, "answer": VOTE},
        {"task": PROGRAMMED, "answer": PROGRAM, "weight": 0.5},
    ]
    return zoo_spec(
        trials=12,
        name="answering",
        tasks=tasks,
        items=16,
        allocation={"kind": "racing", "block": 8},
        baselines={"averages": False, "grid_step": None},
    )


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    tasks = tmp_path_factory.mktemp("tasks")
    task = WordProblems("ja")
    lines = [
        json.dumps({"question": item.question, "answer": item.reference, "split": split})
        for split in SPLITS
        for item in task.items(split)[: ITEMS[split]]
    ]
    for name in (VOTED, PROGRAMMED):
        path = tasks / name.removeprefix("jsonl:")
        path.with_suffix(".jsonl").write_text("\n".join(lines))
        path.with_suffix(".toml").write_text('language = "ja"\nmax_new_tokens = 36\nstop = ["\\n"]')
    data = tmp_path_factory.mktemp("answering") / "data"
    with RunningService(data, tasks=tasks) as running, running.client() as client:
        yield client


@pytest.fixture(scope="module")
def job(client: Client, tmp_path_factory: pytest.TempPathFactory) -> JobDetail:
    spec = write_spec(tmp_path_factory.mktemp("spec"), answering_spec())
    return finish(client, spec)


def scores_of(client: Client, job: JobDetail, task: str, split: str) -> list[dict[str, Any]]:
    url = f"{client.address}/v1/jobs/{job.id}/evaluations"
    entries = httpx.get(url, params={"split": split}).json()
    return [score for one in entries for score in one["scores"] if score["task"] == task]


def test_votes_find_a_winner_on_every_split(client: Client, job: JobDetail) -> None:
    assert job.trials_failed == 0
    assert job.winner is not None
    for split in SPLITS:
        scores = scores_of(client, job, VOTED, split)
        assert scores
        assert all(score["failures"] == {} and score["agreed"] is None for score in scores)
    assert any(score["accuracy"] > 0 for score in scores_of(client, job, VOTED, "search"))


def test_failed_programs_are_counted_by_name(client: Client, job: JobDetail) -> None:
    for split in SPLITS:
        scores = scores_of(client, job, PROGRAMMED, split)
        assert scores
        for score in scores:
            # The bundled models never saw a program.
            assert score["accuracy"] == 0
            assert score["failures"].keys() <= NAMES
            assert sum(score["failures"].values()) == score["n"] == score["no_answer"]


def test_agreement_is_reported_where_nothing_is_searched(client: Client, job: JobDetail) -> None:
    agreed = {
        split: {score["agreed"] for score in scores_of(client, job, PROGRAMMED, split)}
        for split in SPLITS
    }
    assert agreed == {"search": {None}, "select": {0}, "holdout": {0}}
