"""The search spec: what a user asks for, as data that is checked where it enters.

`SearchSpec.from_yaml` and `SearchSpec.parse` report every field that is wrong at once. What needs
facts about the models themselves is checked by `check_spec`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from search.allocation_spec import Allocation, AnchorsAllocation, FullAllocation, RacingAllocation
from search.answer_spec import (
    Answer,
    ChainOfThoughtAnswer,
    DirectAnswer,
    ProgramAnswer,
    SelfConsistencyAnswer,
    SelfVerificationAnswer,
)
from search.budget_spec import Budget
from search.dataflow_spec import DataFlowSpaceSpec
from search.errors import FieldError, SpecError
from search.model_shape import ModelShape
from search.objectives_spec import Constraint, Objectives, Pareto, Weighted
from search.parameter_spec import GeneChoices, GeneRange, ParameterSpaceSpec
from search.sampler_spec import CmaesSettings, RandomSettings, SamplerSettings, TpeSettings
from search.spec_checks import check_spec, contradictions, schema_errors
from search.warm_start_spec import WarmStart
from search.yaml_text import load_plain_yaml

__all__ = [
    "Allocation",
    "AnchorsAllocation",
    "Answer",
    "Baselines",
    "Budget",
    "ChainOfThoughtAnswer",
    "CmaesSettings",
    "DataFlowSpaceSpec",
    "DirectAnswer",
    "FullAllocation",
    "GeneChoices",
    "GeneRange",
    "ModelRef",
    "ModelShape",
    "ParameterSpaceSpec",
    "ProgramAnswer",
    "RacingAllocation",
    "RandomSettings",
    "SamplerSettings",
    "SearchSpec",
    "Select",
    "SelfConsistencyAnswer",
    "SelfVerificationAnswer",
    "Stage",
    "TaskEntry",
    "TpeSettings",
    "check_spec",
]

JobName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}$")]
# No dot and no plus: `stage.best` names a recipe, and `maths+ja` an average.
Alias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
Metric = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_,.-]{1,100}$")]
# Printable, without blanks at either end. Where it may lead is for the reader of models to say.
Reference = Annotated[str, StringConstraints(pattern=r"^\S([^\x00-\x1f\x7f]{0,298}\S)?$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ModelRef(_Part):
    """A model: a folder below the models folder."""

    ref: Reference


class TaskEntry(_Part):
    """A benchmark, its metric, and its share in the fitness (a weighted mean).

    On the search split, where the sampler looks, it is scored by `search_metric` if that is given;
    on select and holdout always by `metric`.
    `chat` makes its prompts turns of a chat: in the template, and with the end tokens, of the model
    named, or for true of the models, which must have the same one. `answer` says how its questions
    are to be answered.
    """

    task: Reference
    metric: Metric = "exact_match"
    search_metric: Metric | None = None
    weight: float = Field(default=1.0, gt=0)
    chat: Annotated[bool, Strict()] | Alias = False
    answer: Answer = DirectAnswer()

    @property
    def searched_by(self) -> str:
        """The metric of the search split."""
        return self.search_metric or self.metric


class Select(_Part):
    """How many finalists are scored again on the select split, where the winner is fixed."""

    top_k: int = Field(default=10, ge=1, le=100)


class Stage(_Part):
    """One search: a space, a sampler over it, and a budget.

    The models of its space may be children of earlier stages: `weights.best`, `weights.2`, ...
    Without a sampler it has the one that `search.sampler_choice` names for its genes and budget.
    In `mode: steady` a trial is drawn whenever a worker is free; that takes a sampler that can do
    without generations. `warm_start` are trials of another search that the sampler learns from
    first. Otherwise, with `seeds: baselines`, its first trials are what a person would try by hand,
    where the space holds it (see `search.seeds`); a quarter of the budget at most. With
    `seeds: start` the very first is where the genes start.
    """

    name: Alias
    space: Annotated[ParameterSpaceSpec | DataFlowSpaceSpec, Field(discriminator="kind")]
    sampler: SamplerSettings | None = None
    mode: Literal["generations", "steady"] = "generations"
    seeds: Literal["baselines", "none", "start"] = "baselines"
    budget: Budget
    warm_start: WarmStart | None = None


class Baselines(_Part):
    """What the winner is compared with on holdout, beside every parent.

    `averages`: the mean of every subset of parents. `grid_step`: task arithmetic with one weight
    a parent in 0, step, ..., 1; null for none.
    """

    averages: bool = True
    grid_step: float | None = Field(default=0.2, gt=0, le=1)


class SearchSpec(_Part):
    """A search job.

    `objectives` says what the samplers are after, and `constraints` what a child has to reach.
    `allocation` says how many items of the search split a candidate is scored on. `items` limits
    that split to its first items, per task. `timeout_seconds` is the limit of one evaluation, or
    of one block of it. The seed stays below 2**53, so that JSON readers everywhere keep it exact.
    """

    name: JobName
    seed: int = Field(default=0, ge=0, lt=2**53)
    models: dict[Alias, ModelRef] = Field(min_length=1, max_length=64)
    tasks: tuple[TaskEntry, ...] = Field(min_length=1, max_length=64)
    objectives: Objectives = Weighted()
    constraints: tuple[Constraint, ...] = Field(default=(), max_length=64)
    select: Select = Select()
    stages: tuple[Stage, ...] = Field(min_length=1, max_length=16)
    items: int | None = Field(default=None, ge=1)
    timeout_seconds: float = Field(default=600.0, gt=0)
    baselines: Baselines = Baselines()
    allocation: Allocation = FullAllocation()

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> SearchSpec:
        found = contradictions(self)
        if isinstance(info.context, _Collector):
            info.context.errors += found
        elif found:
            raise ValueError("; ".join(str(error) for error in found))
        return self

    @property
    def objective_count(self) -> int:
        """How many numbers a sampler is told of a trial."""
        return len(self.objectives.over) if isinstance(self.objectives, Pareto) else 1

    @classmethod
    def from_yaml(cls, text: str) -> SearchSpec:
        """A spec from YAML or JSON text. Raises SpecError naming every field that is wrong."""
        return cls.parse(load_plain_yaml(text))

    @classmethod
    def parse(cls, data: object) -> SearchSpec:
        """A spec from plain data. Raises SpecError naming every field that is wrong."""
        if not isinstance(data, dict):
            raise SpecError("", "a search spec is a mapping with name, models, tasks and stages")
        collector = _Collector()
        try:
            spec = cls.model_validate(data, context=collector)
        except ValidationError as error:
            raise SpecError.of(schema_errors(error)) from error
        if collector.errors:
            raise SpecError.of(collector.errors)
        return spec

    def to_yaml(self) -> str:
        """The spec as YAML, defaults written out; `from_yaml` reads it back to an equal spec."""
        data = self.model_dump(mode="json")
        return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """The JSON schema of a spec."""
        return cls.model_json_schema()


class _Collector:
    """Carries what is wrong across fields out of validation, one entry per field."""

    def __init__(self) -> None:
        self.errors: list[FieldError] = []
