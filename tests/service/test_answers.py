"""Answers word for word: whose are kept, and that they come back as they were."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from service.answers import repository as answers
from service.database import Database
from service.evaluations.repository import Subject
from service.jobs import repository as jobs
from service.tables import Answers
from service.trials import repository as trials
from tests.instant import InstantJob
from tests.zoo_spec import zoo_spec
from workers.work import Question, Result

_MOST = 3


def test_blocks_of_answers_come_together_and_questions_are_kept_once(database: Database) -> None:
    first = _result({"task": ["2 + 2 is 4\0", "日本 \ud83d"]}, {"task": [Question("2 + 2?", "4")]})
    second = _result({"task": ["x" * 3000]}, {"task": [Question("other", "5")]})
    subject = Subject("parent", "maths")
    with database.transaction() as session:
        job_id = jobs.create(session, "kept", {}, {}).id
        answers.record(session, job_id, subject, first, {"task": (5, 0)})
        answers.record(session, job_id, subject, second, {"task": (3,)})
    with database.snapshot() as session:
        kept = answers.of_subject(session, job_id, subject)["task"]
        assert kept == {5: "2 + 2 is 4\0", 0: "日本 ?", 3: "x" * 2000 + "…"}
        assert answers.questions_of(session, job_id) == {"task": [Question("2 + 2?", "4")]}
        assert answers.of_subject(session, job_id, Subject.trial(3)) == {}


def test_a_job_keeps_the_answers_of_its_parents_and_its_best_trials(tmp_path: Path) -> None:
    spec = zoo_spec(trials=20) | {"select": {"top_k": _MOST}}
    # Trials that are parents have the parents' answers.
    spec["stages"][0]["seeds"] = "none"
    job = InstantJob(tmp_path / "kept", spec, kept_answers=1)
    job.run()
    with job.database.snapshot() as session:
        kept = set(session.scalars(select(Answers.subject).where(Answers.job_id == job.id)))
        whole = [one for one in trials.all_of(session, job.id) if one.same_as is None]
        ranked = sorted(whole, key=lambda one: (-(one.fitness or 0.0), one.number))
        # Every finalist's are, though one trial's would be enough.
        best = {str(Subject.trial(one.number)) for one in ranked[:_MOST]}
        assert kept == best | {"parent/base", "parent/maths", "parent/ja"}
        texts = answers.of_subject(session, job.id, Subject.trial(ranked[0].number))
        assert set(texts) == {"word_problems_ja"}
        assert texts["word_problems_ja"][0] == f"{ranked[0].digest} 0"
    job.database.close()


def test_a_job_that_is_to_keep_no_answers_keeps_none(tmp_path: Path) -> None:
    job = InstantJob(tmp_path / "none", zoo_spec(trials=10))
    job.run()
    with job.database.snapshot() as session:
        kept = set(session.scalars(select(Answers.subject)))
    assert not any(subject.startswith("trial/") for subject in kept)
    job.database.close()


def _result(texts: dict[str, list[str]], questions: dict[str, list[Question]]) -> Result:
    return Result("", "here", {}, None, 0.0, 0.0, answers=texts, questions=questions)
