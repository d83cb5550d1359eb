"""A job on anchors, from its first step to its last, taken up anew wherever it was left.

The answers of workers are written here, each a function of the recipe and the item alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from search.model_shape import ModelShape
from search.spec import SearchSpec
from service.controller.life import Life
from service.controller.needs import Need
from service.database import Database
from service.evaluations import designs
from service.jobs import repository as jobs
from tests.trial_log import trial_log
from tests.zoo_spec import zoo_spec
from workers.work import Result, TaskScores

# A task with one item is one of two.
COUNTS = {"word_problems_ja": 30, "word_problems_en": 1}
N = 6
TRIALS = 18
Answer = Callable[[Need], Result]


def spec(**more: Any) -> SearchSpec:
    """Two stages, each with one generation of six before its anchors."""
    allocation = {"kind": "anchors", "n": N, "calibration": 5, "elite": 0.2}
    tasks = [{"task": task} for task in COUNTS]
    data = zoo_spec(trials=TRIALS, tasks=tasks, allocation=allocation | more)
    stage = data["stages"][0] | {"seeds": "none"}
    return SearchSpec.parse(data | {"stages": [stage, stage | {"name": "again"}]})


def answer(need: Need) -> Result:
    """What a worker finds: the better the recipe, the more items are right; some are hard."""
    digest = need.recipe.digest()
    skill = random.Random(digest).random()
    places = need.block.places if need.block else {task: range(n) for task, n in COUNTS.items()}
    scores = {}
    for task, at in places.items():
        right = [
            float(
                random.Random(f"{digest} {need.split} {task} {one}").random()
                < (skill + one / 30) / 2
            )
            for one in at
        ]
        scores[task] = TaskScores(tuple(right), 0, 0, 0, tokens=10 * len(right))
    return Result("", "test", scores, None, 0.0, 0.0)


def crash(need: Need) -> Result:
    """As `answer`, but what is scored on all but the anchors fails."""
    if need.block is not None and need.block.number == 1:
        return Result("", "test", {}, "out of memory", 0.0, 0.0)
    return answer(need)


class Run:
    """One job in a database of its own."""

    def __init__(self, folder: Path, asked: SearchSpec, answers: Answer = answer) -> None:
        self.folder = folder
        self._spec, self._answers = asked, answers
        self._following: list[Need] = []
        self.database = Database(f"sqlite:///{folder / 'cuvee.sqlite3'}")
        self.database.migrate()
        with self.database.transaction() as session:
            self.id = jobs.create(session, asked.name, asked.model_dump(mode="json"), {}).id

    def go_on(self, results: int | None = None) -> bool:
        """Begin a life anew and record that many results, or all; whether the job has ended."""
        shapes = {alias: ModelShape(4, tied_embeddings=True) for alias in self._spec.models}
        life = Life(self.database, self.id, self._spec, shapes, self.folder / "built")
        for done, (need, result) in enumerate(self._work(life)):
            if done == results:
                return False
            self._following += life.record(need, result)
        return True

    def _work(self, life: Life) -> Iterator[tuple[Need, Result]]:
        for step in life.steps():
            self._following = [need for need in step if isinstance(need, Need)]
            while self._following:
                need = self._following.pop(0)
                yield need, self._answers(need)

    def log(self) -> list[dict[str, Any]]:
        """The trial log."""
        return trial_log(self.folder, self.id)


@pytest.fixture
def make_run(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def make(asked: SearchSpec, answers: Answer = answer) -> Run:
        folder = tmp_path / str(len(runs))
        folder.mkdir()
        runs.append(Run(folder, asked, answers))
        return runs[-1]

    yield make
    for run in runs:
        run.database.close()


def test_each_stage_calibrates_and_the_elite_of_both_is_scored_whole(
    make_run: Callable[..., Run],
) -> None:
    run = make_run(spec())
    assert run.go_on()
    log = run.log()
    per_trial = N + 1
    for trial in log:
        calibrates = trial["generation"] == 0
        assert (trial["estimate"] is None) == calibrates
        if trial["state"] == "estimated":
            assert (trial["n"], trial["tokens"]) == (per_trial, 10 * per_trial)
            assert trial["fitness"] == trial["estimate"]
        else:
            assert (trial["state"], trial["n"], trial["tokens"]) == ("finished", 31, 310)
            items = trial["items"]
            means = [sum(items[task]) / len(items[task]) for task in COUNTS]
            assert trial["fitness"] == pytest.approx(sum(means) / 2)
    # A fifth of 36 children.
    told = sorted(log, key=lambda one: (-(one["estimate"] or one["fitness"]), one["number"]))
    assert {trial["state"] for trial in told[:8]} == {"finished"}
    again = [trial for trial in log if trial["estimate"] is not None and trial["n"] == 31]
    assert {trial["number"] for trial in again} <= {trial["number"] for trial in told[:8]}
    with run.database.snapshot() as session:
        found = designs.all_of(session, run.id)
    assert {stage: one.generation for stage, one in found.items()} == {"weights": 1, "again": 1}
    # The second stage knows more: another item model, and most often other anchors.
    difficulties = [one.design.items.difficulty.tolist() for one in found.values()]
    assert difficulties[0] != difficulties[1]


def test_wherever_it_is_left_it_ends_the_same(make_run: Callable[..., Run]) -> None:
    undisturbed, disturbed = make_run(spec()), make_run(spec())
    assert undisturbed.go_on()
    # Three results a life, so that every phase is cut: calibrating, estimating, the elite.
    lives = 1
    while not disturbed.go_on(3):
        lives += 1
    assert lives > 12
    assert disturbed.log() == undisturbed.log()
    with undisturbed.database.snapshot() as one, disturbed.database.snapshot() as other:
        winners = [
            jobs.get(session, run.id).winner
            for session, run in ((one, undisturbed), (other, disturbed))
        ]
    assert winners[0] == winners[1] is not None


def test_one_that_fails_when_scored_whole_is_a_failed_trial(
    make_run: Callable[..., Run],
) -> None:
    run = make_run(spec(), crash)
    while not run.go_on(9):
        pass
    log = run.log()
    failed = [trial for trial in log if trial["state"] == "failed"]
    assert failed
    for trial in failed:
        assert trial["fitness"] is None
        assert trial["estimate"] is not None
        assert trial["tokens"] == 10 * (N + 1)
    with run.database.snapshot() as session:
        winner = jobs.get(session, run.id).winner
    assert winner is not None
    assert log[winner]["state"] == "finished"


def test_a_stage_too_short_to_calibrate_is_scored_whole(make_run: Callable[..., Run]) -> None:
    run = make_run(spec(calibration=100))
    assert run.go_on()
    assert {(trial["state"], trial["estimate"]) for trial in run.log()} == {("finished", None)}
