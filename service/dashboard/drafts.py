"""What the form for a new job asks: what there is to choose from, and what a draft comes to.

A draft that is wrong is no error here but an answer: it is asked for as somebody types.
"""

from __future__ import annotations

import json
import shlex
from typing import Any, Literal

import yaml
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from evaluators.catalogue import task_cards
from merging.catalogue import methods
from service.accounts.authorisation import AccountDependency
from service.credentials.repository import asked_for
from service.dependencies import DatabaseDependency, SettingsDependency
from service.errors import FieldProblem, Invalid
from service.jobs.admission import Admitted, admit
from service.models import available
from service.settings import Settings

router = APIRouter(prefix="/v1/drafts")


class MethodChoice(BaseModel):
    """A merge method."""

    name: str
    summary: str
    base: Literal["required", "optional", "none"]


class TaskChoice(BaseModel):
    """A task that can be searched on."""

    name: str
    summary: str


class Choices(BaseModel):
    """What a form offers."""

    models: list[str] = Field(description="References of checkpoints in the models folder.")
    tasks: list[TaskChoice]
    methods: list[MethodChoice]


class StageDraft(BaseModel):
    """What a stage would be."""

    name: str
    genes: int
    trials: int | None


class DraftView(BaseModel):
    """A draft as other ways in would take it, what is wrong with it, and what it would cost."""

    yaml: str
    curl: str
    errors: list[FieldProblem]
    stages: list[StageDraft] = Field(description="Empty while something is wrong.")
    items: int | None = Field(
        description="Items that one trial is scored on, where the tasks say how many they have."
    )


@router.get("/choices")
def get_choices(settings: SettingsDependency) -> Choices:
    """Models, tasks and methods of this service."""
    cards = task_cards(settings.tasks_dir).values()
    return Choices(
        models=available(settings.models_dir),
        tasks=[TaskChoice(name=card.name, summary=card.summary) for card in cards],
        methods=[
            MethodChoice(name=one.name, summary=one.summary, base=one.base)
            for one in methods().values()
            if one.name != "passthrough"
        ],
    )


@router.post("")
def check_draft(
    draft: dict[str, Any],
    request: Request,
    database: DatabaseDependency,
    settings: SettingsDependency,
    account: AccountDependency,
) -> DraftView:
    """The draft in YAML and as a curl line, checked as submitting it would check it."""
    text = yaml.safe_dump(draft, sort_keys=False, allow_unicode=True)
    try:
        admitted = admit(json.dumps(draft), settings, asked_for(database, account.owner, settings))
    except Invalid as error:
        errors = [FieldProblem(field=one.field, message=one.message) for one in error.errors]
        return DraftView(
            yaml=text, curl=_curl(draft, request), errors=errors, stages=[], items=None
        )
    stages = [
        StageDraft(
            name=stage.name, genes=len(admitted.genes[stage.name]), trials=stage.budget.trials
        )
        for stage in admitted.spec.stages
    ]
    return DraftView(
        yaml=text,
        curl=_curl(draft, request),
        errors=[],
        stages=stages,
        items=_items(admitted, settings),
    )


def _curl(draft: dict[str, Any], request: Request) -> str:
    address = f"{str(request.base_url).rstrip('/')}/v1/jobs"
    body = shlex.quote(json.dumps(draft, ensure_ascii=False))
    return f"curl -X POST {address} -H 'Content-Type: application/json' -d {body}"


def _items(admitted: Admitted, settings: Settings) -> int | None:
    """Items of the search split over all tasks; None where one has to be loaded to tell."""
    cards = task_cards(settings.tasks_dir)
    total = 0
    for entry in admitted.spec.tasks:
        card = cards.get(entry.task)
        if card is None or card.splits is None:
            return None
        there = card.splits["search"]
        total += there if admitted.spec.items is None else min(there, admitted.spec.items)
    return total
