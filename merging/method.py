"""What a merge method is, as data: its parameters, what it needs, and its function.

A method lives in one module of `merging.methods`, which holds `METHOD` and the functions. Those
modules load no torch: they work by the operators and methods of the tensors that they are given,
so that the catalogue can be read where no torch is wanted.

A method sees one tensor of the child at a time, as a `Site`, and answers either with the merged
tensor or, better, with a `Pointwise` pass, which the engine carries out tile by tile, compiled
where it pays, straight into the child.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

    from merging.recipe import Recipe

Form = Literal["tensor", "prepared", "procedure"]
BaseUse = Literal["required", "optional", "none"]
Kind = Literal["number", "whole", "switch", "seed", "choice"]
Value = bool | int | float | str
Remembered = TypeVar("Remembered")


@dataclass(frozen=True)
class SearchRange:
    """Where a search looks for a parameter unless its spec says otherwise.

    `low <= initial <= high`, `low < high`. A parameter of kind "whole" is rounded.
    """

    low: float
    high: float
    initial: float


@dataclass(frozen=True)
class Parameter:
    """One parameter of a method.

    `per_parent`: every parent has a value of its own, and one given for the whole recipe holds
    for all of them. `kind` is "number", "whole" (a whole number), "switch" (true or false), "seed"
    (a whole number from 0) or "choice" (one of `choices`). `low` and `high` are the limits, both
    allowed, beyond which a value is an error; None is no limit. `default` is None where a value
    must be given. `varies`: tensors may have values of their own, by depth or by name. `search` is
    None for what a search leaves at its default.
    """

    name: str
    per_parent: bool
    default: Value | None
    low: float | None
    high: float | None
    summary: str
    kind: Kind = "number"
    choices: tuple[str, ...] = ()
    varies: bool = True
    search: SearchRange | None = None


@dataclass(frozen=True)
class Statistic:
    """What a data-driven method knows of its models beside the weights, computed from texts.

    `kind` says what is computed (see `merging.calibration`): tensors of each model that takes part
    but the base, or, with `joint`, of all of them together. `settings` are the parameters that it
    depends on.
    """

    kind: str
    joint: bool = False
    settings: tuple[str, ...] = ()


class Ranking(Protocol):
    """The entries of a delta by magnitude, the largest first, of equals the first in the tensor."""

    def cut(self, count: int) -> tuple[float, int]:
        """Magnitude and flat index of the last of the first `count` entries (at least 1)."""

    def l1(self, count: int) -> float:
        """The sum of magnitudes of the first `count` entries."""


class Site(Protocol):
    """One tensor of the child: what its method may look at.

    `base` (None where the method takes none) and `parents` have one shape, lie as they are stored
    (whatever floating type) and must not be changed. Parameters: `shared` by name, and
    `per_parent` by name with one value a parent, in the order of the parents. `prepared` is what
    the method's `prepare` returned. Statistics are computed once for the engine's parents and are
    the same for every candidate.
    """

    @property
    def name(self) -> str: ...

    @property
    def base(self) -> Tensor | None: ...

    @property
    def parents(self) -> Sequence[Tensor]: ...

    @property
    def shared(self) -> Mapping[str, float]: ...

    @property
    def per_parent(self) -> Mapping[str, Sequence[float]]: ...

    @property
    def choices(self) -> Mapping[str, str]:
        """The parameters of kind "choice"."""

    @property
    def prepared(self) -> object: ...

    def gram(self, *, deltas: bool) -> Sequence[Sequence[float]]:
        """Inner products, in double precision, of the parents' deltas if `deltas`, else of
        (base if there is one, parents...) themselves."""

    def ranking(self, parent: int) -> Ranking:
        """The i-th parent's delta by magnitude."""

    def row_ranks(self, parent: int) -> Tensor:
        """For each entry of the i-th parent's delta its place in its row by magnitude, from 0 for
        the smallest, of equals the first first. A vector is one row. Flat, of an integer type."""

    def important(self, parent: int) -> Tensor:
        """Whether each entry of the i-th parent is among those that change the base's rows the most
        (`merging.importance`); flat, of bool."""

    def variance_ranks(self) -> tuple[Tensor, int]:
        """For each entry its place by its variance over the parents, from 0 for the largest, of
        equals the first first; flat, of an integer type. And how many entries vary at all."""

    def svd(self, parent: int) -> tuple[Tensor, Tensor, Tensor]:
        """U (m x k), S (k, falling) and V (n x k), k = min(m, n), of the i-th parent's delta
        U diag(S) V^T: an m x n matrix without NaN or infinity."""

    def l1(self, parent: int) -> float:
        """The sum of magnitudes of the i-th parent's delta."""

    def statistic(self, parent: int) -> Tensor:
        """What the method's `statistic` holds of the i-th parent under this tensor's name. Raises
        CalibrationError if it holds nothing."""

    def key(self, parent: int) -> int:
        """The i-th parent's random key for this tensor, of 62 bits: a function of the recipe's
        `random_seed`, the model's name and the tensor's name alone."""

    def sum(self, plan: Pointwise) -> float:
        """The sum of what a pass gives, added up in double precision, tile by tile."""


class Survey(Protocol):
    """All tensors of the child at once, for what a method must prepare."""

    @property
    def entries(self) -> int:
        """How many numbers the child's floating tensors hold."""

    def sites(self) -> Iterable[Site]:
        """Every floating tensor of the child, in a fixed order; made anew at every call."""

    def magnitude(self, parent: int, rank: int) -> float:
        """The rank-th smallest magnitude (from 1; the smallest for less) among all entries of the
        i-th parent's deltas; exact."""

    def remember(self, key: Hashable, compute: Callable[[], Remembered]) -> Remembered:
        """`compute()`, kept for the engine's next candidates under `key` beside the models and
        layers that take part; only the last few are kept."""


Kernel = Callable[..., "Tensor"]
"""`kernel(tensors, numbers, integers, index, **options) -> Tensor`: element by element.

`tensors`: tiles, flat, of the stored types, at the same places of each tensor. `numbers`: float32
tensor. `integers`: int64 tensor. `index`: flat places of the tile's entries in the whole tensor,
int64. The result is float32. No number or shape may steer Python's control flow, but only the
options and the count of tensors: the pass is compiled for them, by a run on symbols that know
arithmetic, comparisons and the functions of `merging.loops.trace.Symbol`.
"""


@dataclass(frozen=True)
class Pointwise:
    """A pass over tensors of one shape, each entry by itself.

    `kernel` is a function of a module, `options` what it is compiled for.
    """

    kernel: Kernel
    tensors: tuple[Tensor, ...]
    numbers: tuple[float, ...] = ()
    integers: tuple[int, ...] = ()
    options: tuple[tuple[str, Hashable], ...] = ()


MergeFunction = Callable[[Site], "Tensor | Pointwise"]
PrepareFunction = Callable[[Survey], object]
ExpandFunction = Callable[["Recipe", int], "Recipe"]
ExpandMeasured = Callable[["Recipe", Mapping[str, Sequence[float]]], "Recipe"]


@dataclass(frozen=True)
class Method:
    """A merge method.

    `form`: "tensor", one tensor at a time; "prepared", the same after `prepare` has seen all
    tensors of the child; "procedure", which writes another recipe: `expand(recipe, number of
    layers)`, or `expand_measured(recipe, joint statistics by name)`. `statistic` is what it knows
    of its models beside the weights; its recipes say from which texts (`calibration`).

    `base`: "required"; "optional", merging task vectors where a base is given and whole models
    where not; "none", where a base model named in a recipe is merged as any other. `min_parents`
    and `max_parents` count the parents without the base.

    `merge` changes none of the tensors it is given. A tensor it returns is new, in float32 and of
    the site's shape.
    """

    name: str
    form: Form
    summary: str
    source: str
    base: BaseUse
    min_parents: int
    max_parents: int | None
    parameters: tuple[Parameter, ...]
    merge: MergeFunction | None = None
    prepare: PrepareFunction | None = None
    expand: ExpandFunction | None = None
    expand_measured: ExpandMeasured | None = None
    statistic: Statistic | None = None

    def parameter(self, name: str) -> Parameter | None:
        """The parameter of this name, if the method has it."""
        return next((one for one in self.parameters if one.name == name), None)
