"""What a merge method is, as data: its parameters, what it needs, and its function.

A method lives in one module of `merging.methods`, which holds `METHOD` and the function. Those
modules load no torch: they work by the operators and methods of the tensors that they are given,
so that the catalogue can be read where no torch is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

Form = Literal["tensor", "prepared", "procedure"]
Kind = Literal["number", "switch", "seed"]


@dataclass(frozen=True)
class Parameter:
    """One parameter of a method.

    `per_parent`: every parent has a value of its own, and one given for the whole recipe holds
    for all of them. `kind` is "number", "switch" (true or false) or "seed" (a whole number from
    0). `low` and `high` are the limits, both allowed, beyond which a value is an error; None is
    no limit. `default` is None where a value must be given.
    """

    name: str
    per_parent: bool
    default: float | bool | None
    low: float | None
    high: float | None
    summary: str
    kind: Kind = "number"


@dataclass(frozen=True)
class Values:
    """The parameters of one tensor's merge.

    `shared`: by name, those of the whole merge. `per_parent`: by name, one value a parent, in the
    order of the parents. `uniform(i)` draws the i-th parent's random numbers: a float32 tensor of
    the merged shape, in [0, 1), the same at every call and for every candidate with this seed.
    """

    shared: Mapping[str, float]
    per_parent: Mapping[str, Sequence[float]]
    uniform: Callable[[int], Tensor]


MergeFunction = Callable[["Tensor | None", "Sequence[Tensor]", Values], "Tensor"]


@dataclass(frozen=True)
class Method:
    """A merge method.

    `form`: "tensor", `merge(base, parents, values) -> tensor`, pure and one tensor at a time;
    "prepared", the same over statistics collected once from all tensors; "procedure", which
    computes a recipe. `min_parents` and `max_parents` count the parents without the base; a
    method that needs no base counts every model.

    `merge` takes float32 tensors of one shape, changes none of them, and returns a new one of
    that shape.
    """

    name: str
    form: Form
    summary: str
    source: str
    needs_base: bool
    min_parents: int
    max_parents: int | None
    parameters: tuple[Parameter, ...]
    merge: MergeFunction

    def parameter(self, name: str) -> Parameter | None:
        """The parameter of this name, if the method has it."""
        return next((one for one in self.parameters if one.name == name), None)
