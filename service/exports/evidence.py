"""The search behind a child as plain data: what was tried, what it scored, what it is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from merging import references
from merging.multistep import PREFIX, to_documents
from merging.recipe import Recipe
from search.fitness import fitness
from service.evaluations import repository as evaluations
from service.evaluations.repository import Recorded, Subject
from service.evaluations.schemas import Accuracy
from service.exports.licences import Licence, ParentCard, read_card, resolve_licence
from service.holdouts import repository as holdouts
from service.results.schemas import ResultView
from service.results.view import result_of
from service.tables import Job, Trial
from service.trials import repository as trials

_TRIAL_FIELDS = (
    *("number", "stage", "generation", "state", "fitness", "n", "tokens", "same_as"),
    *("objectives", "constraints", "digest", "genome"),
)


@dataclass(frozen=True)
class ParentModel:
    """A model that the child is made of. `repository` is its place on the hub, where it has one."""

    alias: str
    ref: str
    digest: str
    repository: str | None
    card: ParentCard


@dataclass(frozen=True)
class Evidence:
    """All that is told of a child: its job and trial, its parents, and how it compares.

    `accuracies` are the child's own, by task, on `split`: holdout for the winner, search for any
    other trial. `lines` are the parents' fitness on the search split.
    """

    job: Job
    trial: Trial
    recipe: Recipe
    recipe_yaml: str
    parents: Sequence[ParentModel]
    licence: Licence
    result: ResultView
    split: str
    accuracies: Mapping[str, Accuracy]
    trials: Sequence[Trial]
    lines: Mapping[str, float]
    warnings: Sequence[str]

    def plain(self) -> dict[str, Any]:
        """As JSON. Reasons of failures are left out: they may name folders of the machine."""
        parents = [
            {
                "alias": parent.alias,
                "ref": parent.ref,
                "content_digest": parent.digest,
                "repository": parent.repository,
                "licence": parent.card.licence,
            }
            for parent in self.parents
        ]
        return {
            "cuvee": version("cuvee"),
            "job": {"id": self.job.id, "name": self.job.name},
            "exported": {
                "trial": self.trial.number,
                "winner": self.trial.number == self.job.winner,
                "recipe_digest": self.trial.digest,
                "split": self.split,
                "accuracies": {
                    task: accuracy.model_dump() for task, accuracy in self.accuracies.items()
                },
            },
            "parents": parents,
            "warnings": list(self.warnings),
            "result": self.result.model_dump(
                mode="json", exclude={"holdout": {"__all__": {"reason"}}}
            ),
            "trials": [_plain_trial(trial) for trial in self.trials],
            "spec": self.job.spec,
        }


def gather(
    session: Session,
    job: Job,
    number: int,
    folders: Mapping[str, Path],
    repositories: Mapping[str, str],
) -> Evidence:
    """Everything recorded of a trial's child.

    `folders` are the models' by reference; `repositories` says, by alias, where on the hub a model
    lies whose reference doesn't name it. Raises NotFound.
    """
    trial = trials.get(session, job.id, number)
    found = evaluations.all_of(session, job.id)
    uses = holdouts.newest_first(session, job_id=job.id)
    result = result_of(job, found, uses, trials.fitness_of(session, job.id))
    split = "holdout" if number == job.winner else "search"
    scores = _scores(found, Subject.trial(number), split)
    recipe = Recipe.model_validate(trial.recipe)
    steps = trials.steps_of(session, job.id, recipe)
    parents = _parents(job, [recipe, *steps.values()], folders, repositories)
    licence = resolve_licence({parent.alias: parent.card for parent in parents})
    weights = {entry["task"]: entry["weight"] for entry in job.spec["tasks"]}
    lines = {
        entry.subject.label: fitness(entry.means(), weights)
        for entry in found
        if entry.subject.kind == "parent" and entry.split == "search" and entry.reason is None
    }
    chosen = [] if split == "holdout" and scores else [_unheld(number)]
    return Evidence(
        job=job,
        trial=trial,
        recipe=recipe,
        recipe_yaml=to_documents(recipe, steps),
        parents=parents,
        licence=licence,
        result=result,
        split=split,
        accuracies=scores,
        trials=trials.all_of(session, job.id),
        lines=lines,
        warnings=[*licence.warnings, *result.warnings, *chosen],
    )


def _scores(found: Sequence[Recorded], subject: Subject, split: str) -> dict[str, Accuracy]:
    for entry in found:
        if entry.subject == subject and entry.split == split:
            return {task: Accuracy.of(score) for task, score in entry.scores.items()}
    return {}


def _parents(
    job: Job,
    recipes: Sequence[Recipe],
    folders: Mapping[str, Path],
    repositories: Mapping[str, str],
) -> list[ParentModel]:
    named = {name for one in recipes for name in one.model_names() if not name.startswith(PREFIX)}
    return [
        ParentModel(
            alias=alias,
            ref=model["ref"],
            digest=job.model_digests[alias],
            repository=repositories.get(alias) or references.repository_of(model["ref"]),
            card=read_card(_card_folder(folders[model["ref"]])),
        )
        for alias, model in job.spec["models"].items()
        if model["ref"] in named
    ]


def _card_folder(path: Path) -> Path:
    base, _ = references.parts(path)
    return base if base.is_dir() else base.parent


def _unheld(number: int) -> str:
    return (
        f"trial {number} was not scored on held-out items: what it scores on the search split has "
        "the luck of the choice in it"
    )


def _plain_trial(trial: Trial) -> dict[str, Any]:
    return {field: getattr(trial, field) for field in _TRIAL_FIELDS}
