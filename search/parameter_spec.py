"""The spec of a parameter space: a merge method, and what of its parameters is searched."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    ValidationInfo,
    field_validator,
)

TensorFilter = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.]{1,100}$")]
PerGroup = Annotated[tuple[float, ...], Field(min_length=1, max_length=10_000)]
TaskName = Annotated[str, StringConstraints(pattern=r"^\S([^\x00-\x1f\x7f]{0,298}\S)?$")]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _scalar_or_list(value: object) -> str:
    return "<list>" if isinstance(value, list | tuple) else "<number>"


def _form(value: object) -> str:
    if isinstance(value, GeneChoices) or (isinstance(value, dict) and "choices" in value):
        return "<choices>"
    if isinstance(value, dict | GeneRange):
        return "<range>"
    if isinstance(value, bool):
        return "<switch>"
    return "<word>" if isinstance(value, str) else "<number>"


class GeneRange(_Part):
    """Bounds of a kind of gene, and where the search starts: `low <= initial <= high`.

    `initial` is one number, or one number per gene group: the layer groups from the bottom up, in
    each the module groups in their order and then the rest, then the embeddings.
    """

    low: float
    high: float
    initial: Annotated[
        Annotated[float, Tag("<number>")] | Annotated[PerGroup, Tag("<list>")],
        Discriminator(_scalar_or_list),
    ]

    @field_validator("initial")
    @classmethod
    def _inside(
        cls, value: float | tuple[float, ...], info: ValidationInfo
    ) -> float | tuple[float, ...]:
        # Bounds that are wrong themselves are missing here, and reported already.
        if {"low", "high"} <= info.data.keys():
            low, high = info.data["low"], info.data["high"]
            for start in value if isinstance(value, tuple) else (value,):
                if not low <= start <= high:
                    raise ValueError(f"{start:g} lies outside {low:g} to {high:g}")
        return value

    @field_validator("high")
    @classmethod
    def _ordered(cls, value: float, info: ValidationInfo) -> float:
        low = info.data.get("low")
        if low is not None and not low < value:
            raise ValueError(f"must be greater than low, which is {low:g}")
        return value


class GeneChoices(_Part):
    """Values of a switch or a choice that the search goes between."""

    choices: tuple[bool | Word, ...] = Field(min_length=2, max_length=32)


class CalibrationSpec(_Part):
    """The texts that a data-driven method's statistics are computed from: the first `items` prompts
    of a task's search split, by default of the spec's first task. `parents` are watched on tasks of
    their own. `seed` fixes what is drawn."""

    task: TaskName | None = None
    items: int = Field(default=64, ge=1, le=100_000)
    seed: int = Field(default=0, ge=0, lt=2**53)
    parents: dict[str, TaskName] = Field(default={}, max_length=32)


ParameterSetting = Annotated[
    Annotated[GeneRange, Tag("<range>")]
    | Annotated[GeneChoices, Tag("<choices>")]
    | Annotated[bool, Tag("<switch>")]
    | Annotated[float, Tag("<number>")]
    | Annotated[Word, Tag("<word>")],
    Discriminator(_form),
]


class ParameterSpaceSpec(_Part):
    """Merge in parameter space: a method's parameters by parent, layer group and module group.

    `parameters`: for each one a range or choices to search, or a value that holds for every
    candidate. What is left out is searched over the method's own range, where it has one, and
    otherwise stays at its default.

    Layer groups cut the blocks into runs of near-equal length. With `module_groups`, every layer
    group has genes for each of them (a filter is a part of tensor names) and for the rest.
    `embeddings` gives all tensors outside the blocks a gene of their own.

    `calibration` is for methods that look at texts. With `start: adamerging`, the weights of task
    vectors start at the mean coefficients that AdaMerging finds for each gene group on those texts,
    clipped into the range, rather than at `initial`.
    """

    kind: Literal["parameter"]
    method: str
    base: str | None = None
    parents: tuple[str, ...] = Field(min_length=1, max_length=32)
    layer_groups: int = Field(default=1, ge=1, le=1000)
    module_groups: tuple[TensorFilter, ...] = Field(default=(), max_length=16)
    embeddings: bool = True
    parameters: dict[str, ParameterSetting] = {}
    calibration: CalibrationSpec | None = None
    start: Literal["adamerging"] | None = None

    @property
    def groups(self) -> int:
        """Gene groups of one parameter that may vary between tensors."""
        per_layer_group = len(self.module_groups) + 1 if self.module_groups else 1
        return self.layer_groups * per_layer_group + int(self.embeddings)
