"""The spec of a parameter space: a merge method, and what of its parameters is searched."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Strict,
    StringConstraints,
    Tag,
    ValidationInfo,
    field_validator,
)

TensorFilter = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.]{1,100}$")]
Scale = Literal["linear", "log", "logit"]
LayerCount = Annotated[int, Field(ge=1, le=1000)]
PerGroup = Annotated[tuple[float, ...], Field(min_length=1, max_length=10_000)]
TaskName = Annotated[str, StringConstraints(pattern=r"^\S([^\x00-\x1f\x7f]{0,298}\S)?$")]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _one_or_several(value: object) -> str:
    return "<several>" if isinstance(value, list | tuple) else "<one>"


OneOrSeveral = Annotated[
    Annotated[str, Tag("<one>")]
    | Annotated[tuple[str, ...], Field(min_length=1, max_length=32), Tag("<several>")],
    Discriminator(_one_or_several),
]


Start = Annotated[
    Annotated[float, Tag("<one>")] | Annotated[PerGroup, Tag("<several>")],
    Discriminator(_one_or_several),
]


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
    each the module groups in their order and then the rest, then the embeddings, then the tensor
    groups.

    `scale` says in what a sampler takes its steps: the number itself, its logarithm (`low` above 0)
    or its log-odds (bounds between 0 and 1, both exclusive). With `shared`, all gene groups have
    one gene.
    """

    low: float
    high: float
    initial: Start
    scale: Scale = "linear"
    shared: Annotated[bool, Strict()] = False

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

    @field_validator("scale")
    @classmethod
    def _defined(cls, value: Scale, info: ValidationInfo) -> Scale:
        low, high = info.data.get("low"), info.data.get("high")
        if value != "linear" and low is not None and low <= 0:
            raise ValueError(f"{value!r} needs a range above 0, and low is {low:g}")
        if value == "logit" and high is not None and high >= 1:
            raise ValueError(f"{value!r} needs a range below 1, and high is {high:g}")
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


class ParentChoice(_Part):
    """The search chooses which parents take part: `at_least` so many, and no fewer than the method
    needs."""

    at_least: int = Field(default=1, ge=1, le=32)


class ParameterSpaceSpec(_Part):
    """Merge in parameter space: a method's parameters by parent, layer group and module group.

    `method`: one, or several that the search chooses from. `base`: a model, or several to choose
    from, which may be parents too: as the base, a model is no parent. `choose_parents` lets the
    search leave parents out.

    `parameters`: for each one a range or choices to search, or a value that holds for every
    candidate. What is left out is searched over the method's own range, where it has one, and
    otherwise stays at its default. Methods share the genes of parameters of one name, whose range
    is then that of the first method which searches it.

    Layer groups cut the blocks into so many runs of near-equal length, or into runs of the lengths
    given, from the bottom up. With `module_groups`, every layer group has genes for each of them (a
    filter is a part of tensor names) and for the rest. `embeddings` gives all tensors outside the
    blocks a gene of their own. Each of `tensor_groups` is a filter whose tensors, wherever they
    are, have one gene and are in no other group; the first that matches counts.

    `calibration` is for methods that look at texts. With `start: adamerging`, the weights of task
    vectors start at the mean coefficients that AdaMerging finds for each gene group on those texts,
    clipped into the range, rather than at `initial`.

    `starts`: for a parent, where the genes of its own parameters start instead of `initial`, each
    as one number or one a gene group.
    """

    kind: Literal["parameter"]
    method: OneOrSeveral
    base: OneOrSeveral | None = None
    parents: tuple[str, ...] = Field(min_length=1, max_length=32)
    choose_parents: ParentChoice | None = None
    layer_groups: Annotated[
        Annotated[LayerCount, Tag("<one>")]
        | Annotated[tuple[LayerCount, ...], Field(min_length=1, max_length=1000), Tag("<several>")],
        Discriminator(_one_or_several),
    ] = 1
    module_groups: tuple[TensorFilter, ...] = Field(default=(), max_length=16)
    tensor_groups: tuple[TensorFilter, ...] = Field(default=(), max_length=16)
    embeddings: bool = True
    parameters: dict[str, ParameterSetting] = {}
    calibration: CalibrationSpec | None = None
    start: Literal["adamerging"] | None = None
    starts: dict[str, dict[str, Start]] = Field(default={}, max_length=32)

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that the search chooses from, often one."""
        return (self.method,) if isinstance(self.method, str) else self.method

    @property
    def bases(self) -> tuple[str, ...]:
        """The models that may be the base; none where the spec names none."""
        return (self.base,) if isinstance(self.base, str) else self.base or ()

    @property
    def groups(self) -> int:
        """Gene groups of one parameter that may vary between tensors."""
        layers = self.layer_groups if isinstance(self.layer_groups, int) else len(self.layer_groups)
        modules = len(self.module_groups) + 1 if self.module_groups else 1
        return layers * modules + int(self.embeddings) + len(self.tensor_groups)
