"""Which of a method's parameters a space searches, over which range, and what the others are."""

from __future__ import annotations

from dataclasses import dataclass

from merging.catalogue import Method, Parameter, get_method
from merging.errors import RecipeError
from merging.method import Value
from search.parameter_spec import GeneChoices, GeneRange, ParameterSpaceSpec


@dataclass(frozen=True)
class Searched:
    """A parameter that is searched. `initial` is one number, or one a gene group.

    A parameter with `choices` is a gene from 0 to their number, of which the whole part counts.
    """

    parameter: Parameter
    low: float
    high: float
    initial: float | tuple[float, ...]
    choices: tuple[bool | str, ...] = ()

    @property
    def grouped(self) -> bool:
        """Whether every gene group has a gene of its own. Whole numbers and choices have one for
        the whole model: between layers nothing joins them."""
        number = self.parameter.kind == "number" and not self.choices
        return self.parameter.varies and number

    @property
    def edges(self) -> tuple[float, ...]:
        """Where the gene's meaning changes, if it stands for a choice or a whole number."""
        if self.choices:
            return tuple(float(place) for place in range(1, len(self.choices)))
        if self.parameter.kind != "whole":
            return ()
        halves = (whole + 0.5 for whole in range(round(self.low), round(self.high)))
        return tuple(half for half in halves if self.low < half < self.high)

    def value(self, gene: float) -> Value:
        """What a gene's number stands for."""
        if self.choices:
            return self.choices[min(int(gene), len(self.choices) - 1)]
        return round(gene) if self.parameter.kind == "whole" else gene


def find_method(name: str) -> Method | None:
    """The method of this name, or None."""
    try:
        return get_method(name)
    except RecipeError:
        return None


def is_pairwise(method: Method) -> bool:
    """Whether the method goes from a base to one other model, both of which are parents."""
    return method.base == "required" and method.max_parents == 1


def searched(space: ParameterSpaceSpec, method: Method, num_layers: int) -> list[Searched]:
    """The parameters that the space searches, in the method's order.

    Whole numbers that count layers, those of a procedure, end at the number of layers.
    """
    found = []
    for parameter in method.parameters:
        setting = space.parameters.get(parameter.name)
        if isinstance(setting, GeneChoices):
            middle = len(setting.choices) / 2
            found.append(
                Searched(parameter, 0.0, float(len(setting.choices)), middle, setting.choices)
            )
            continue
        chosen = setting if isinstance(setting, GeneRange) else parameter.search
        if chosen is None or (setting is not None and not isinstance(setting, GeneRange)):
            continue
        high, initial = chosen.high, chosen.initial
        if parameter.kind == "whole" and method.form == "procedure":
            high = min(high, float(num_layers))
            initial = initial if isinstance(initial, tuple) else min(initial, high)
        found.append(Searched(parameter, chosen.low, high, initial))
    return found


def fixed(space: ParameterSpaceSpec, method: Method, seed: int) -> dict[str, Value]:
    """The parameters that are the same for every candidate, written out where the spec gives them
    or tools differ in their defaults.

    Whole models are averaged, since their size is wrong otherwise. Task vectors are never
    normalised unless asked: that would cut out the amplified sums among which the best ones lie.
    All candidates share one seed, and so their random masks.
    """
    values: dict[str, Value] = {}
    if method.parameter("normalize") is not None:
        values["normalize"] = method.base == "none"
    if method.parameter("random_seed") is not None:
        values["random_seed"] = seed
    for name, setting in space.parameters.items():
        if not isinstance(setting, GeneRange | GeneChoices):
            values[name] = setting
    return values
