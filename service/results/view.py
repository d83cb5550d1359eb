"""A job's result, from what is recorded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from evaluators.task import SPLITS
from search.baselines import grid_space
from search.fitness import fitness
from search.objectives import needed
from search.spec import SearchSpec
from service.evaluations.repository import Recorded, Subject
from service.evaluations.schemas import Accuracy, TaskComparison
from service.holdouts.schemas import HoldoutUseView
from service.results.schemas import ConstraintView, Contender, Finalist, ResultView
from service.tables import HoldoutUse, Job

Found = Mapping[tuple[Subject, str], Recorded]


def result_of(
    job: Job,
    evaluations: Sequence[Recorded],
    uses: Sequence[HoldoutUse],
    searched: Mapping[int, float | None],
) -> ResultView:
    """The result as far as it is known: before the winner is fixed there are only finalists.

    `searched` is the fitness on the search split, by trial.
    """
    spec = SearchSpec.model_validate(job.spec)
    found = {(entry.subject, entry.split): entry for entry in evaluations}
    winner = None if job.winner is None else found.get((Subject.trial(job.winner), "holdout"))
    contenders = [entry for entry in evaluations if entry.split == "holdout" and entry != winner]
    rows = [] if winner is None else [_contender(spec, winner, None)]
    rows += [_contender(spec, entry, winner) for entry in contenders]
    constraints = [] if job.winner is None else list(_constraints(spec, job.winner, found))
    return ResultView(
        winner=job.winner,
        finalists=_finalists(spec, found, searched),
        holdout=rows,
        uses=[HoldoutUseView.model_validate(use) for use in uses],
        constraints=constraints,
        warnings=[
            *(_warning(use) for use in uses if use.earlier),
            *(_miss(one) for one in constraints if not one.met),
        ],
    )


def _contender(spec: SearchSpec, entry: Recorded, winner: Recorded | None) -> Contender:
    comparisons = {}
    if winner is not None:
        comparisons = {
            task: TaskComparison.of(score, entry.scores[task])
            for task, score in winner.scores.items()
            if task in entry.scores
        }
    return Contender(
        kind=entry.subject.kind,
        label=entry.subject.label,
        name=_name(spec, entry.subject),
        reason=entry.reason,
        accuracies={task: Accuracy.of(score) for task, score in entry.scores.items()},
        against_winner=comparisons,
    )


def _name(spec: SearchSpec, subject: Subject) -> str:
    if subject.kind == "average":
        return subject.label.replace("+", " + ")
    space = grid_space(spec)
    if subject.kind == "grid" and space is not None:
        weights = zip(subject.label.split(","), space.parents, strict=True)
        return " + ".join(f"{weight} {parent}" for weight, parent in weights)
    return f"trial {subject.label}" if subject.kind == "trial" else subject.label


def _finalists(
    spec: SearchSpec, found: Found, searched: Mapping[int, float | None]
) -> list[Finalist]:
    weights = {entry.task: entry.weight for entry in spec.tasks}
    comparable = all(entry.searched_by == entry.metric for entry in spec.tasks)

    def fitness_on(subject: Subject, split: str) -> float | None:
        entry = found.get((subject, split))
        return None if entry is None or entry.reason else fitness(entry.means(), weights)

    finalists = []
    for subject, split in found:
        if split == "select" and subject.kind == "trial":
            scores = {one: fitness_on(subject, one) for one in ("select", "holdout")}
            scores["search"] = searched[int(subject.label)]
            before = scores["search"] if comparable else None
            finalists.append(
                Finalist(
                    trial=int(subject.label),
                    **scores,
                    optimism_select=_difference(before, scores["select"]),
                    optimism=_difference(before, scores["holdout"]),
                )
            )
    return sorted(finalists, key=lambda one: (-_or_worst(one.select), one.trial))


def _constraints(spec: SearchSpec, winner: int, found: Found) -> Iterator[ConstraintView]:
    for split in SPLITS:
        entry = found.get((Subject.trial(winner), split))
        models = {alias: found.get((Subject("parent", alias), split)) for alias in spec.models}
        means = {alias: one.means() for alias, one in models.items() if one is not None}
        for one in spec.constraints:
            if entry is not None and entry.scores and (one.of is None or means.get(one.of)):
                bound, reached = needed(one, means), entry.scores[one.task].mean
                yield ConstraintView(
                    task=one.task,
                    split=split,
                    needed=bound,
                    reached=reached,
                    met=reached >= bound,
                )


def _difference(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first - second


def _or_worst(score: float | None) -> float:
    return -math.inf if score is None else score


def _miss(one: ConstraintView) -> str:
    reached = f"{one.reached:.1%}, of {one.needed:.1%} needed"
    return f"the winner misses a constraint on the {one.split} split: {one.task} at {reached}"


def _warning(use: HoldoutUse) -> str:
    times = "once" if use.earlier == 1 else f"{use.earlier} times"
    return (
        f"the holdout of {use.task} had been looked at {times} before: what was chosen with those "
        "results in mind is no longer independent of it"
    )
