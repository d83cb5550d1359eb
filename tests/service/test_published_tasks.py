"""Every published benchmark on its real files: taken in by the API, then scored by a worker."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from evaluators.cards import TARGET_BITS_PER_CHAR
from evaluators.catalogue import task_cards
from evaluators.published import PUBLISHED
from search.baselines import parent_recipe
from tests.evaluators.shared_data import shared_data
from tests.service.conftest import Spec
from workers.evaluator import Evaluator
from workers.work import Context, Evaluate


@pytest.fixture(scope="module")
def tasks_dir() -> Path:
    shared_data("mgsm", "mgsm_ja.tsv")
    return shared_data("gsm8k", "test.jsonl").parents[1]


def test_all_are_taken_in(app: FastAPI, api: TestClient, spec: Spec, tasks_dir: Path) -> None:
    app.state.settings.tasks_dir = tasks_dir
    cards = task_cards(tasks_dir)
    for name, benchmark in PUBLISHED.items():
        assert cards[name].licence
        assert cards[name].summary
        for metric in benchmark.metrics:
            spec["tasks"] = [{"task": name, "metric": metric}]
            answer = api.post("/v1/jobs", json=spec)
            assert answer.status_code == 201, answer.text


def test_all_are_scored(models_dir: Path, tasks_dir: Path) -> None:
    """On items that a tiny model's context cuts short or does not hold at all."""
    tasks = {name: benchmark.metrics[0] for name, benchmark in PUBLISHED.items()}
    for metrics in (tasks, {"gsm8k": TARGET_BITS_PER_CHAR}):
        context = Context({"m": models_dir / "tiny" / "left"}, {}, metrics, tasks_dir, 2, "cpu")
        recipe = parent_recipe("m").model_dump_json(exclude_none=True)
        result = Evaluator(context).evaluate(Evaluate("1", context, recipe, "search", 60.0), "here")
        assert result.reason is None
        assert set(result.scores) == set(metrics)
        for score in result.scores.values():
            assert len(score.values) == 2
            assert all(0 <= value <= 1 for value in score.values)
