"""A child that was scored before is not scored again."""

from __future__ import annotations

import pytest

from service.controller.needs import Need, Task
from tests.service.conftest import Spec
from tests.service.instant import Bench, answer
from workers.work import Context, Result


@pytest.mark.parametrize("kind", ["full", "racing"])
def test_seeds_that_are_parents_take_the_parents_scores(
    bench: Bench, spec: Spec, kind: str
) -> None:
    """They are never scored again; and racing knows them before it scores any other."""
    spec["allocation"] = {"kind": kind}
    spec["stages"][0]["budget"]["trials"] = 12
    job_id = bench.submit(spec)
    asked: set[str] = set()

    def noting(task: Task, context: Context) -> Result:
        if isinstance(task, Need) and task.subject.kind == "trial" and task.split == "search":
            asked.add(task.subject.label)
        return answer(task, context)

    bench.live_in_pieces(job_id, 3, answer=noting)
    (seeded,) = bench.events(job_id, "stage.seeded")
    models = {
        one["trial"]: one["label"].removeprefix("parent ")
        for one in seeded["seeds"]
        if one["label"].startswith("parent ")
    }
    assert set(models.values()) <= {"base", "left", "right"}
    assert models
    found = {trial["number"]: trial for trial in bench.log(job_id)}
    parents = {
        one["label"]: one["scores"][0]["accuracy"]
        for one in bench.get(f"jobs/{job_id}/evaluations", split="search", kind="parent")
    }
    for number, alias in models.items():
        assert str(number) not in asked
        assert found[number]["state"] == "finished"
        assert found[number]["tokens"] == 0
        assert found[number]["fitness"] == pytest.approx(parents[alias])
    best = max(parents[alias] for alias in models.values())
    states = {found[number]["state"] for number in found.keys() - models.keys()}
    assert ("stopped" in states) == (kind == "racing")
    ended = [one for one in found.values() if one["state"] == "finished"]
    first = [one for one in ended if one["generation"] == 0 and one["number"] not in models]
    if kind == "racing":
        assert all(one["fitness"] >= best for one in first)
