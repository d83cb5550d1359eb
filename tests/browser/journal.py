"""Writes a job's rows as the controller would: the same repositories, in the same order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy.orm import Session

from evaluators.task import Split
from merging.recipe import Recipe
from search.gene import Gene
from search.seeds import Seed
from search.spec import SearchSpec
from service.answers import repository as answers
from service.database import Database
from service.evaluations import repository as evaluations
from service.evaluations.repository import Kind, Subject
from service.exports import repository as exports
from service.jobs import repository as jobs
from service.stages import repository as stages
from service.tables import LOCAL_OWNER, Trial
from service.trials import repository as trials
from tests.zoo_spec import zoo_spec
from workers.work import Question, Result, TaskScores

PARENTS = {"base": 0.18, "maths": 0.42, "ja": 0.31}
TASK = "word_problems_ja"
STAGE = "weights"
GENES = [
    Gene(f"{parent}.weight[layers {first}-{first}]", -0.5, 1.5, 0.5)
    for parent in ("maths", "ja")
    for first in range(4)
]


class Journal:
    """One job, from its submission on."""

    def __init__(
        self,
        database: Database,
        *,
        name: str = "japanese-maths",
        budget: int = 30,
        owner: str = LOCAL_OWNER,
    ) -> None:
        self._database = database
        spec = SearchSpec.parse(zoo_spec(name=name, trials=budget))
        digests = dict.fromkeys(spec.models, "0" * 64)
        with database.transaction() as session:
            data = spec.model_dump(mode="json")
            self.id = jobs.create(session, name, data, digests, owner=owner).id

    def start(self, seeds: Sequence[Seed] = ()) -> None:
        """Queued to running, with the parents scored on the search split; `seeds` are what the
        first trials stand for."""
        with self._database.transaction() as session:
            jobs.start(session, self.id)
        self.enter("parents")
        self.evaluate("parent", PARENTS, "search")
        with self._database.transaction() as session:
            stages.begin(session, self.id, STAGE, GENES, seeds=seeds, first=0)
        self.enter("search")

    def enter(self, phase: str) -> None:
        """Another phase."""
        with self._database.transaction() as session:
            jobs.enter_phase(session, self.id, phase)

    def generation(self, first: int, outcomes: list[float | str | trials.Ending]) -> list[Trial]:
        """A generation from trial `first` on: a fitness each, the reason of a failure, or both
        and more. Gives the trials."""
        proposals = [
            trials.Proposal(number, _genome(number), _recipe(number))
            for number in range(first, first + len(outcomes))
        ]
        with self._database.transaction() as session:
            fresh = trials.add_generation(session, self.id, STAGE, first // 6, proposals)
        with self._database.transaction() as session:
            for trial, outcome in zip(fresh, outcomes, strict=True):
                if isinstance(outcome, trials.Ending):
                    ending = outcome
                elif isinstance(outcome, str):
                    ending = trials.Ending(None, outcome)
                else:
                    ending = trials.Ending(outcome, n=400, tokens=9000)
                trials.finish(session, trial, ending)
                if ending.state == "finished" and ending.fitness is not None:
                    self._record(session, Subject.trial(trial.number), ending.fitness, "search")
        return fresh

    def evaluate(
        self, kind: Kind, accuracies: Mapping[str, float], split: Split, n: int = 400
    ) -> None:
        """Evaluations of several subjects of a kind."""
        for label, accuracy in accuracies.items():
            with self._database.transaction() as session:
                self._record(session, Subject(kind, label), accuracy, split, n)

    def _record(
        self, session: Session, subject: Subject, accuracy: float, split: Split, n: int = 400
    ) -> None:
        # Everybody solves the same items first: the better of two solves all that the other does.
        correct = round(accuracy * n)
        scores = TaskScores((1.0,) * correct + (0.0,) * (n - correct), 0, 0, 0, 9000)
        result = Result("test", "worker", {TASK: scores}, None, 0.25, 1.5)
        evaluations.record(session, self.id, subject, split, result)

    def write_answers(self, *subjects: str, n: int = 400) -> None:
        """What subjects wrote on the search split, and what they were asked."""
        places = range(n)
        asked = tuple(Question(f"花子さんは林檎を{place}個", str(place)) for place in places)
        with self._database.transaction() as session:
            for subject in subjects:
                texts = tuple(f"{subject} answers <b>{place}</b>" for place in places)
                result = Result("test", "worker", {}, None, 0.25, 1.5)
                result = replace(result, answers={TASK: texts}, questions={TASK: asked})
                answers.record(session, self.id, Subject.parse(subject), result)

    def choose(self, finalists: Mapping[int, float]) -> None:
        """The finalists re-scored, and the best of them fixed as the winner."""
        self.enter("select")
        self.evaluate(
            "trial", {str(number): score for number, score in finalists.items()}, "select"
        )
        with self._database.transaction() as session:
            jobs.fix_winner(session, self.id, max(finalists, key=lambda number: finalists[number]))
        self.enter("holdout")

    def hold_out(self, winner: int, winner_accuracy: float = 0.605) -> None:
        """The winner, every parent, two averages and three grid points on holdout."""
        self.evaluate("trial", {str(winner): winner_accuracy}, "holdout")
        self.evaluate("parent", {"base": 0.165, "maths": 0.4325, "ja": 0.3025}, "holdout")
        self.evaluate("average", {"maths+ja": 0.47, "base+maths+ja": 0.29}, "holdout")
        self.evaluate("grid", {"0.4,0.4": 0.45, "0.6,0.4": 0.5275, "1,0": 0.43}, "holdout")

    def end(self, state: str, reason: str | None = None) -> None:
        """The end of the job."""
        with self._database.transaction() as session:
            jobs.end(session, self.id, state, reason)

    def end_exports(self, reason: str | None = None) -> None:
        """Every queued export written, or failed for a reason."""
        with self._database.transaction() as session:
            for export in exports.in_state(session, "queued"):
                exports.end(session, export.id, reason)


def searched(database: Database) -> Journal:
    """A job with 18 of 30 trials behind it, one of them failed; trial 16 is the best."""
    job = Journal(database)
    job.start()
    job.generation(0, [0.11, 0.2, 0.27, 0.16, 0.33, 0.24])
    job.generation(6, [0.3, "EngineError: the child holds NaN", 0.44, 0.38, 0.29, 0.41])
    job.generation(12, [0.46, 0.5, 0.43, 0.52, 0.58, 0.55])
    job.write_answers("parent/base", "parent/maths", "parent/ja", "trial/16")
    return job


def finished(database: Database) -> Journal:
    """A job with a holdout result; trial 16 is the winner."""
    job = searched(database)
    job.generation(18, [0.5, 0.53, 0.57, 0.56, 0.52, 0.55, 0.57, 0.54, 0.56, 0.55, 0.57, 0.53])
    job.choose({16: 0.6, 20: 0.57})
    job.hold_out(16)
    job.end("finished")
    return job


def _genome(number: int) -> tuple[float, ...]:
    return tuple(((number * (place + 3)) % 17) / 10 - 0.2 for place in range(len(GENES)))


def _recipe(number: int) -> Recipe:
    weights = [round(0.1 * group + number / 100, 2) for group in range(4)]
    return Recipe.parse(
        {
            "merge_method": "task_arithmetic",
            "base_model": "zoo/base",
            "dtype": "float32",
            "models": [
                {"model": "zoo/maths", "parameters": {"weight": weights}},
                {"model": "zoo/ja", "parameters": {"weight": weights[::-1]}},
            ],
        }
    )
