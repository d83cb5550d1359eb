"""A search that goes by the likelihood of worked solutions, and is judged by its answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from evaluators.likelihood_scoring import PreparedLikelihoods
from evaluators.task import LikelihoodTask
from evaluators.tasks import load_any_task
from service.client import Client
from service.jobs.schemas import JobDetail
from tests.running import RunningService, finish
from tests.trial_log import trial_log
from tests.zoo_spec import write_spec, zoo_spec

ROOT = Path(__file__).resolve().parents[2]
TASK = "word_problems_ja"
LIKELIHOOD = "target_bits_per_char"
ITEMS = 24


@pytest.fixture(scope="module")
def job(client: Client, tmp_path_factory: pytest.TempPathFactory) -> JobDetail:
    spec = zoo_spec(trials=9, tasks=[{"task": TASK, "search_metric": LIKELIHOOD}], items=ITEMS)
    path = write_spec(tmp_path_factory.mktemp("spec"), spec)
    return finish(client, path)


def test_candidates_are_scored_by_likelihood(
    service: RunningService, client: Client, job: JobDetail
) -> None:
    assert job.search_tokens == 0
    log = trial_log(service.data, job.id)
    for trial in log:
        items = trial["items"][TASK]
        assert len(items) == ITEMS
        assert all(0 < value < 1 for value in items)
        assert trial["fitness"] == pytest.approx(sum(items) / ITEMS)
    parents = client.evaluations(job.id, split="search", kind="parent")
    found = {one.label: one.scores[0].accuracy for one in parents}
    task = load_any_task(TASK, metric=LIKELIHOOD)
    assert isinstance(task, LikelihoodTask)
    folder = ROOT / "zoo" / "maths"
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    alone = PreparedLikelihoods(task, "search", tokenizer, limit=ITEMS).score(model).values
    assert found["maths"] == pytest.approx(sum(alone) / ITEMS, abs=1e-6)
    # Seeds that are parents have their scores.
    assert {round(found[label], 9) for label in ("maths", "ja")} <= {
        round(trial["fitness"], 9) for trial in log
    }


def test_finalists_and_holdout_are_scored_by_what_is_answered(
    client: Client, job: JobDetail
) -> None:
    finalists = client.evaluations(job.id, split="select", kind="trial")
    holdout = client.evaluations(job.id, split="holdout")
    assert len(finalists) == 2
    for entry in (*finalists, *holdout):
        (score,) = entry.scores
        assert score.tokens > 0
        # So many items are right, each of them wholly.
        assert score.accuracy * score.n == pytest.approx(round(score.accuracy * score.n))
    best = max(entry.scores[0].accuracy for entry in finalists)
    (winner,) = [entry for entry in finalists if entry.label == str(job.winner)]
    assert winner.scores[0].accuracy == best


def test_no_optimism_is_told_between_two_metrics(client: Client, job: JobDetail) -> None:
    best = client.result(job.id).finalists[0]
    assert best.search is not None
    assert best.holdout is not None
    assert best.optimism is best.optimism_select is None
