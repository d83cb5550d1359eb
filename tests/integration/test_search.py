"""A real search over the bundled parents, through every room, over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from evaluators.scoring import PreparedTask
from evaluators.tasks import load_task
from merging.recipe import Recipe
from service.client import Client
from service.jobs.schemas import JobDetail
from tests.running import RunningService, wait_for_end, wait_for_trials
from tests.service.test_api import read_events
from tests.trial_log import trial_log
from tests.zoo_spec import write_spec, zoo_spec

TRIALS = 12


@pytest.fixture(scope="module")
def finished(client: Client, tmp_path_factory: pytest.TempPathFactory) -> JobDetail:
    spec = write_spec(tmp_path_factory.mktemp("spec"), zoo_spec(trials=TRIALS))
    return wait_for_end(client, client.submit(spec).id)


def test_the_job_ends_with_a_winner_scored_once_on_holdout(
    client: Client, finished: JobDetail
) -> None:
    assert finished.state == "finished", finished.reason
    assert finished.trials_finished == TRIALS
    assert finished.trials_failed == 0
    on_select = client.evaluations(finished.id, split="select")
    assert len(on_select) == 2
    best = max(entry.scores[0].accuracy for entry in on_select)
    holdout = client.evaluations(finished.id, split="holdout")
    (winner,) = [entry for entry in holdout if entry.kind == "trial"]
    assert int(winner.label) == finished.winner
    (chosen,) = [entry for entry in on_select if entry.label == winner.label]
    assert chosen.scores[0].accuracy == best
    assert {entry.label for entry in holdout if entry.kind == "parent"} == {"base", "maths", "ja"}
    averages = {frozenset(entry.label.split("+")) for entry in holdout if entry.kind == "average"}
    assert len(averages) == 4
    assert {"maths", "ja"} in averages
    for entry in holdout:
        (score,) = entry.scores
        assert score.n >= 1000
        assert score.low <= score.accuracy <= score.high


def test_the_trial_log_holds_every_item_score(service: RunningService, finished: JobDetail) -> None:
    log = trial_log(service.data, finished.id)
    assert [trial["number"] for trial in log] == list(range(TRIALS))
    assert [trial["generation"] for trial in log] == [0] * 3 + [1] * 6 + [2] * 3
    for trial in log:
        items = trial["items"]["word_problems_ja"]
        assert len(items) == 24
        assert trial["fitness"] == pytest.approx(sum(items) / 24)
        assert Recipe.model_validate(trial["recipe"]).digest() == trial["digest"]


def test_the_same_spec_again_gives_the_same_log(
    service: RunningService, client: Client, finished: JobDetail, tmp_path: Path
) -> None:
    again = wait_for_end(client, client.submit(write_spec(tmp_path, zoo_spec(trials=TRIALS))).id)
    assert trial_log(service.data, again.id) == trial_log(service.data, finished.id)


def test_the_recipe_is_yaml_of_the_best(client: Client, finished: JobDetail) -> None:
    best = client.best(finished.id)
    assert best.final
    assert best.trial == finished.winner
    path = f"{client.address}/v1/jobs/{finished.id}/trials/{best.trial}/recipe.yaml"
    answer = httpx.get(path)
    assert answer.headers["content-type"].startswith("application/yaml")
    assert Recipe.from_yaml(answer.text).digest() == best.recipe_digest


def test_the_export_loads_in_plain_transformers_and_scores_the_same(
    client: Client, finished: JobDetail
) -> None:
    export = client.export(finished.id)
    folder = Path(export.folder)
    assert Recipe.from_yaml((folder / "recipe.yaml").read_text()).merge_method == "task_arithmetic"
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    scores = PreparedTask(load_task("word_problems_ja"), "holdout", tokenizer).score(model.eval())
    (recorded,) = [
        entry.scores[0] for entry in client.evaluations(finished.id, split="holdout", kind="trial")
    ]
    assert sum(scores.values) / len(scores.values) == pytest.approx(recorded.accuracy, abs=0.005)


def test_events_are_replayed_from_any_cursor_without_a_gap(
    client: Client, finished: JobDetail
) -> None:
    url = f"{client.address}/v1/events"
    expected = TRIALS + 20
    with httpx.stream("GET", url, params={"job": finished.id, "since": 0}) as answer:
        whole = read_events(answer, expected)
    cut = whole[7][0]
    with httpx.stream(
        "GET", url, params={"job": finished.id}, headers={"last-event-id": str(cut)}
    ) as answer:
        rest = read_events(answer, expected - 8)
    assert rest == whole[8:]
    assert whole[0][1] == "job.created"
    assert next(event[2]["trial"] for event in whole if event[1] == "trial.finished") in range(6)


def test_a_cancelled_job_stops_and_keeps_its_trials(client: Client, tmp_path: Path) -> None:
    spec = zoo_spec(trials=5000, sampler="random", name="endless")
    job_id = client.submit(write_spec(tmp_path, spec)).id
    wait_for_trials(client, job_id, 3)
    client.cancel(job_id)
    ended = wait_for_end(client, job_id, seconds=30)
    assert ended.state == "cancelled"
    assert 3 <= ended.trials_finished < 5000


def test_two_jobs_share_the_workers(client: Client, tmp_path: Path) -> None:
    alone = {"averages": False, "grid_step": None}
    specs = [
        zoo_spec(seed=seed, trials=6, name=f"shared-{seed}", baselines=alone) for seed in (1, 2)
    ]
    ids = [client.submit(write_spec(tmp_path, spec)).id for spec in specs]
    for job_id in ids:
        assert wait_for_end(client, job_id).state == "finished"
