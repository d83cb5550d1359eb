"""Two evaluations of a job beside each other, on the items that both answered."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from scipy.stats import binomtest

from evaluators.intervals import wilson
from search.baselines import average_recipes
from service.evaluations import repository as evaluations
from service.evaluations.repository import Subject
from service.trials import repository as trials
from tests.service.conftest import Spec
from workers.work import Result, TaskScores

TASK = "word_problems_ja"


def result(*values: float, reason: str | None = None) -> Result:
    scores = {} if reason else {TASK: TaskScores(tuple(values), 1, 2, 3, 400)}
    return Result("one", "here", scores, reason, 0.1, 0.2)


@pytest.fixture
def job_id(api: TestClient, app: FastAPI, spec: Spec) -> str:
    job: str = api.post("/v1/jobs", json=spec).json()["id"]
    with app.state.database.transaction() as session:
        for subject, outcome in [
            (Subject.trial(3), result(*[1.0] * 30, *[0.0] * 10)),
            (Subject.trial(4), result(*[1.0] * 20, *[0.0] * 18, *[1.0] * 2)),
            (Subject.trial(5), result(reason="NaN")),
            (Subject("parent", "left"), result(*[0.0] * 40)),
        ]:
            evaluations.record(session, job, subject, "search", outcome)
        evaluations.record(session, job, Subject.trial(3), "holdout", result(1.0, 0.0))
    return job


def test_two_trials_on_the_same_items(api: TestClient, job_id: str) -> None:
    path = f"/v1/jobs/{job_id}/compare"
    answer = api.get(path, params={"first": "3", "second": "trial/4"}).json()
    assert (answer["first"], answer["second"], answer["split"]) == ("trial/3", "trial/4", "search")
    assert list(answer["tasks"]) == [TASK]
    found = answer["tasks"][TASK]
    assert (found["first_better"], found["second_better"]) == (10, 2)
    assert found["p"] == pytest.approx(binomtest(2, 12).pvalue)
    for side, correct in (("first", 30), ("second", 22)):
        assert (found[side]["accuracy"], found[side]["n"]) == (correct / 40, 40)
        assert (found[side]["low"], found[side]["high"]) == pytest.approx(wilson(correct, 40))
    turned = api.get(path, params={"first": "4", "second": "3"}).json()["tasks"][TASK]
    assert (turned["first_better"], turned["second_better"]) == (2, 10)
    assert turned["p"] == found["p"]


def test_a_trial_and_a_parent_and_itself(api: TestClient, job_id: str) -> None:
    path = f"/v1/jobs/{job_id}/compare"
    parent = api.get(path, params={"first": "3", "second": "parent/left"}).json()
    assert parent["tasks"][TASK]["p"] == pytest.approx(binomtest(0, 30).pvalue)
    alone = {"first": "3", "second": "3", "split": "holdout"}
    assert api.get(path, params=alone).json()["tasks"][TASK]["p"] == 1.0


@pytest.mark.parametrize(
    ("second", "split", "status"),
    [
        ("9", "search", 404),
        ("5", "search", 404),
        ("4", "holdout", 404),
        ("parent/right", "search", 404),
        ("left", "search", 422),
        ("nobody/left", "search", 422),
        ("-1", "search", 422),
        ("4", "train", 422),
    ],
)
def test_what_has_no_scores_is_named(
    api: TestClient, job_id: str, second: str, split: str, status: int
) -> None:
    asked = {"first": "3", "second": second, "split": split}
    answer = api.get(f"/v1/jobs/{job_id}/compare", params=asked)
    assert answer.status_code == status
    if status == 404:
        assert second in answer.json()["detail"]


def test_a_job_that_is_not_there_has_none(api: TestClient) -> None:
    asked = {"first": "3", "second": "4"}
    assert api.get("/v1/jobs/nobody/compare", params=asked).status_code == 404


def test_estimated_trials_of_two_stages_answered_other_items(
    api: TestClient, app: FastAPI, spec: Spec
) -> None:
    """Three are scored on as many anchors, two of them on those of one stage."""
    job: str = api.post("/v1/jobs", json=spec).json()["id"]
    recipe = average_recipes({"left": "tiny/left", "right": "tiny/right"})["left+right"]
    stages = ["weights", "weights", "again"]
    with app.state.database.transaction() as session:
        for number, stage in enumerate(stages):
            proposal = trials.Proposal(number, (0.5,), recipe)
            (trial,) = trials.add_generation(session, job, stage, 0, [proposal])
            trials.finish(session, trial, trials.Ending(0.5, n=2, state="estimated"))
            subject = Subject.trial(number)
            evaluations.record(session, job, subject, "search", result(1.0, 0.0))
    path = f"/v1/jobs/{job}/compare"
    assert api.get(path, params={"first": "0", "second": "1"}).status_code == 200
    answer = api.get(path, params={"first": "0", "second": "2"})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert "were scored on other anchors" in error["message"]
