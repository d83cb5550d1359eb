"""`/v1/methods`, `/v1/samplers`, `/v1/tasks`, `/v1/models`: what a spec can name here."""

from __future__ import annotations

from typing import Any, get_args

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from evaluators.catalogue import task_cards
from merging.catalogue import methods
from search.spec import SamplerSettings
from service.dependencies import SettingsDependency
from service.models import available

router = APIRouter(prefix="/v1", tags=["catalogue"])


class _View(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class SearchRangeView(_View):
    """Where a search looks for a parameter unless its spec says otherwise."""

    low: float
    high: float
    initial: float


class ParameterView(_View):
    """One parameter of a merge method."""

    name: str
    summary: str
    kind: str = Field(description="number, whole, switch, seed or choice")
    per_parent: bool
    default: Any = Field(description="Null where a value must be given.")
    low: float | None
    high: float | None
    choices: list[str]
    search: SearchRangeView | None = Field(description="Null for what a search leaves alone.")


class MethodView(_View):
    """One merge method."""

    name: str
    summary: str
    source: str
    form: str = Field(description="tensor, prepared or procedure")
    base: str = Field(description="required, optional or none")
    min_parents: int
    max_parents: int | None
    parameters: list[ParameterView]


class SamplerView(BaseModel):
    """One kind of sampler, and the JSON schema of its settings."""

    kind: str
    settings: dict[str, Any]


class TaskView(_View):
    """One benchmark."""

    name: str
    summary: str
    languages: list[str]
    licence: str
    splits: dict[str, int] | None = Field(description="Items; null where they are not known yet.")
    metrics: list[str]


class ModelView(BaseModel):
    """A checkpoint of the models folder."""

    ref: str


@router.get("/methods")
def list_methods() -> list[MethodView]:
    """Every merge method with its parameters."""
    return [MethodView.model_validate(method) for method in methods().values()]


@router.get("/samplers")
def list_samplers() -> list[SamplerView]:
    """Every kind of sampler with the schema of its settings."""
    union, *_ = get_args(SamplerSettings)
    return [
        SamplerView(kind=get_args(kind.model_fields["kind"].annotation)[0], settings=schema)
        for kind in get_args(union)
        if (schema := kind.model_json_schema())
    ]


@router.get("/tasks")
def list_tasks(settings: SettingsDependency) -> list[TaskView]:
    """The bundled tasks and the operator's; those that lm-eval ships can be named too."""
    return [TaskView.model_validate(card) for card in task_cards(settings.tasks_dir).values()]


@router.get("/models")
def list_models(settings: SettingsDependency) -> list[ModelView]:
    """The checkpoints in the models folder, by the reference that a spec names them by."""
    return [ModelView(ref=ref) for ref in available(settings.models_dir)]
