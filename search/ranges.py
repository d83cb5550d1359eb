"""Which of a method's parameters a space searches, over which range, and what the others are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from merging.catalogue import Method, Parameter, get_method
from merging.errors import RecipeError
from merging.method import Value
from search.gene import Gene, choosing, chosen, levels_gene
from search.parameter_spec import GeneChoices, GeneRange, ParameterSpaceSpec, Scale
from search.transforms import Interval


@dataclass(frozen=True)
class Searched:
    """A parameter that is searched. `initial` is one number, or one a gene group.

    A number's gene holds it on its `scale`. A whole number, and one of `choices`, is a gene from 0
    to 1 that is cut into equal parts, one a value: so a sampler's first step, a share of the range,
    reaches other values however many there are. With `shared`, all gene groups have one gene.
    """

    parameter: Parameter
    low: float
    high: float
    initial: float | tuple[float, ...]
    choices: tuple[bool | str, ...] = ()
    scale: Scale = "linear"
    shared: bool = False

    @property
    def grouped(self) -> bool:
        """Whether every gene group has a gene of its own. Whole numbers and choices have one for
        the whole model: between layers nothing joins them."""
        number = self.parameter.kind == "number" and not self.choices
        return self.parameter.varies and number and not self.shared

    def agrees(self, other: Searched) -> bool:
        """Whether one gene can stand for both parameters, which have one name."""
        first, second = self.parameter, other.parameter
        same = (first.kind, first.per_parent, first.choices) == (
            second.kind,
            second.per_parent,
            second.choices,
        )
        return same and self.grouped == other.grouped

    @property
    def values(self) -> Sequence[Value]:
        """The values of a gene that is cut into parts; none for a number's."""
        if self.choices:
            return self.choices
        if self.parameter.kind != "whole":
            return ()
        return range(math.ceil(self.low), math.floor(self.high) + 1)

    def gene(self, name: str, start: float) -> Gene:
        """The gene, where it starts at the number `start`."""
        if self.choices:
            # In the middle of the range: as near as can be to all of them.
            return levels_gene(name, len(self.choices), ordered=False)
        if self.values:
            return levels_gene(name, len(self.values), self.to_gene(round(start)), ordered=True)
        return self._interval.gene(name, start)

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
        if self.values:
            return chosen(self.values, gene)
        return self._interval.value(gene)

    def to_gene(self, value: Value) -> float:
        """A gene that stands for the value. Raises ValueError for a value out of range."""
        if self.values:
            return choosing(self.values, value)
        return self._interval.to_gene(float(value))

    @property
    def _interval(self) -> Interval:
        return Interval(self.low, self.high, self.scale)


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
    """The parameters of one method that the space searches, in the method's order.

    Whole numbers that count layers, those of a procedure, end at the number of layers.
    """
    found = []
    for parameter in method.parameters:
        setting = space.parameters.get(parameter.name)
        if isinstance(setting, GeneChoices):
            found.append(Searched(parameter, 0.0, 1.0, 0.5, setting.choices))
            continue
        wanted = setting if isinstance(setting, GeneRange) else parameter.search
        if wanted is None or (setting is not None and not isinstance(setting, GeneRange)):
            continue
        high, initial = wanted.high, wanted.initial
        if parameter.kind == "whole" and method.form == "procedure":
            high = min(high, float(num_layers))
            initial = initial if isinstance(initial, tuple) else min(initial, high)
        scale: Scale = "linear"
        shared = False
        if isinstance(setting, GeneRange):
            scale, shared = setting.scale, setting.shared
        found.append(Searched(parameter, wanted.low, high, initial, (), scale, shared))
    return found


def fixed(space: ParameterSpaceSpec, method: Method, seed: int) -> dict[str, Value]:
    """The parameters of one method that are the same for every candidate, written out where the
    spec gives them or tools differ in their defaults.

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
        if method.parameter(name) is not None and not isinstance(setting, GeneRange | GeneChoices):
            values[name] = setting
    return values
