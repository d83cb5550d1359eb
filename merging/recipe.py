"""A recipe: which models are merged, by which method, with which numbers.

The vocabulary is mergekit's configuration, so that a recipe written there runs here and one
found here runs there. What differs is written so that mergekit still reads it:

- `parameters.random_seed`, for the methods that draw random masks: mergekit takes its seed on the
  command line and passes over this key, so its masks are others;
- `parameters.input_scale`, a factor on the residual stream as it enters the layers of a slice of a
  `passthrough`: mergekit passes over it, so the YAML of such a recipe says that it is an extension;
- `calibration`, the texts that a data-driven method's statistics are computed from: mergekit has no
  such method, so the YAML says that it is an extension;
- a `weight` left out is 1; mergekit wants every weight written;
- the keys that Cuvee does not support (`modules`, `tokenizer`, `chat_template`) are errors, never
  passed over in silence.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    model_validator,
)

from merging.errors import RecipeError
from merging.extensions import extensions
from merging.values import Setting, parse_setting, plain_setting

DType = Literal["float32", "float16", "bfloat16"]
Name = Annotated[str, Field(min_length=1)]
Parameters = dict[
    str,
    Annotated[
        Setting,
        PlainValidator(parse_setting, json_schema_input_type=Any),
        PlainSerializer(plain_setting, return_type=Any),
    ],
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelEntry(_Part):
    """A model that takes part with all its layers."""

    model: Name
    parameters: Parameters = {}


class Source(_Part):
    """The layers [first, end) of a model."""

    model: Name
    layer_range: tuple[Annotated[int, Field(ge=0)], int]
    parameters: Parameters = {}

    @model_validator(mode="after")
    def _layers_in_order(self) -> Self:
        span = list(self.layer_range)
        if span[0] >= span[1]:
            raise ValueError(f"layer_range must be [first, end) with first < end, not {span}")
        return self


class Slice(_Part):
    """Consecutive layers of the child, merged from as many layers of every source."""

    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    parameters: Parameters = {}


class Calibration(_Part):
    """What a data-driven method watches its models on: the first `items` prompts of the search
    split of `task`, or, for those of `models`, of another task; `seed` fixes what is drawn."""

    task: Name
    items: Annotated[int, Field(ge=1, le=100_000)] = 64
    seed: Annotated[int, Field(ge=0, lt=2**53)] = 0
    models: dict[Name, Name] = {}

    def task_of(self, model: str) -> str:
        """The task that a model is watched on."""
        return self.models.get(model, self.task)


class Recipe(_Part):
    """One child. Either `models` (whole models) or `slices` (stacks of layers) names the parents.

    Parameters of a model or source come before those of its slice, which come before the
    recipe's own. `Recipe(...)` raises pydantic's ValidationError; `parse` and `from_yaml` raise
    RecipeError, which names one field.
    """

    merge_method: Name
    models: Annotated[tuple[ModelEntry, ...], Field(min_length=1)] | None = None
    slices: Annotated[tuple[Slice, ...], Field(min_length=1)] | None = None
    base_model: Name | None = None
    parameters: Parameters = {}
    dtype: DType | None = None
    out_dtype: DType | None = None
    tokenizer_source: Name | None = None
    calibration: Calibration | None = None

    @model_validator(mode="after")
    def _either_models_or_slices(self) -> Self:
        if (self.models is None) == (self.slices is None):
            raise RecipeError("models", "give either models or slices")
        for index, name in enumerate(entry.model for entry in self.models or ()):
            if name in [entry.model for entry in (self.models or ())[:index]]:
                raise RecipeError(f"models[{index}].model", f"{name!r} is listed twice")
        for number, part in enumerate(self.slices or ()):
            names = [source.model for source in part.sources]
            for index, name in enumerate(names):
                if name in names[:index]:
                    field = f"slices[{number}].sources[{index}].model"
                    raise RecipeError(field, f"{name!r} is listed twice")
        return self

    @classmethod
    def parse(cls, data: object) -> Recipe:
        """A recipe from plain data; raises RecipeError naming the first field that is wrong."""
        if not isinstance(data, Mapping):
            raise RecipeError("recipe", "must be a mapping with merge_method and models or slices")
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            raise RecipeError(*_describe(first["loc"], first["type"], first["msg"])) from None

    @classmethod
    def from_yaml(cls, text: str) -> Recipe:
        """A recipe from one YAML document; raises RecipeError."""
        try:
            data = yaml.safe_load(text)
        except yaml.YAMLError as error:
            reason = " ".join(str(error).split())
            raise RecipeError("recipe", f"is not one YAML document: {reason}") from None
        return cls.parse(data)

    def to_yaml(self) -> str:
        """The recipe as a mergekit configuration, beginning with what mergekit lacks (see
        `merging.extensions`); `from_yaml` reads it back."""
        text = yaml.dump(self._plain(), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
        return "".join(f"# {sentence}\n" for sentence in extensions(self)) + text

    def digest(self) -> str:
        """SHA-256 of what the recipe says, whatever the order of its keys, 1 or 1.0, and
        whether a field's default is written out."""
        text = json.dumps(_canonical(self._plain()), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def model_names(self) -> tuple[str, ...]:
        """Every model that the recipe refers to, the base included, in order of appearance."""
        names = [entry.model for entry in self.models or ()]
        names += [source.model for part in self.slices or () for source in part.sources]
        return tuple(dict.fromkeys([*names, *([self.base_model] if self.base_model else [])]))

    def _plain(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_defaults=True)


class _Dumper(yaml.SafeDumper):
    """Lists of numbers on one line; two equal lists are written out twice, without anchors."""

    def ignore_aliases(self, data: object) -> bool:
        del data
        return True

    def represent_items(self, items: list[Any]) -> yaml.Node:
        flow = all(isinstance(item, int | float) for item in items)
        return self.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=flow)


_Dumper.add_representer(list, _Dumper.represent_items)


def _canonical(value: Any) -> Any:
    """1.0 becomes 1 and -0.0 becomes 0: equal numbers are written alike."""
    if isinstance(value, dict):
        return {key: _canonical(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_canonical(entry) for entry in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _describe(location: tuple[int | str, ...], kind: str, message: str) -> tuple[str, str]:
    """A field as `models[0].parameters.weight`, and one sentence."""
    field = ""
    for part in location:
        field += f"[{part}]" if isinstance(part, int) else f".{part}"
    sentences = {"extra_forbidden": "no such field", "missing": "is required"}
    sentence = sentences.get(kind, message.removeprefix("Value error, "))
    return field.lstrip(".") or "recipe", sentence[0].lower() + sentence[1:]
