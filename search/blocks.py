"""The genes of one parameter: of one parent or of the whole merge, a gene a group or one gene."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from merging.catalogue import Method
from merging.method import Parameter, Value
from search.calibration import STARTED, Coefficients, group_means
from search.errors import SpaceError
from search.gene import Gene
from search.groups import Grouping
from search.parameter_spec import ParameterSpaceSpec
from search.ranges import Searched, searched
from search.roles import Roles

Values = tuple[Value, ...]
"""One value, or one a gene group."""


@dataclass(frozen=True)
class Block:
    """One parameter of one parent, or, with `parent` None, of the whole merge.

    `methods` are those that search it: under another one its genes decide nothing.
    """

    searched: Searched
    parent: str | None
    label: str
    names: tuple[str, ...]
    methods: frozenset[str]

    @property
    def name(self) -> str:
        """The parameter's name."""
        return self.searched.parameter.name

    def genes(self) -> list[Gene]:
        """One gene a name."""
        initial = self.searched.initial
        starts = initial if isinstance(initial, tuple) else (initial,) * len(self.names)
        if len(starts) != len(self.names):
            message = f"{len(starts)} numbers for {len(self.names)} gene groups"
            raise SpaceError(f"{self.label}: {message}")
        return [
            self.searched.gene(f"{self.label}{name}", start)
            for name, start in zip(self.names, starts, strict=True)
        ]

    def read(self, numbers: Sequence[float], method: Method) -> Values:
        """The values of the genes, within the limits of the method."""
        limits = method.parameter(self.name)
        assert limits is not None
        return tuple(_limited(self.searched.value(number), limits) for number in numbers)

    def write(self, values: Values) -> list[float]:
        """Genes that stand for the values. Raises ValueError where none do."""
        if len(values) != len(self.names):
            if len(set(values)) > 1:
                raise ValueError(f"{self.label}: {len(values)} values for {len(self.names)} genes")
            values = values[:1] * len(self.names)
        return [self.searched.to_gene(value) for value in values]

    def started(self, start: Coefficients, grouping: Grouping, place: int | None) -> Block:
        """The block with its genes at the coefficients of a parent, the `place`-th, if it holds the
        parent's weights."""
        if place is None or self.name != STARTED:
            return self
        initial = self.searched.initial
        usual = initial if isinstance(initial, tuple) else (initial,) * len(grouping.names)
        means = group_means(start, grouping, place, usual)
        if len(self.names) == 1:
            means = means[:1]
        low, high = self.searched.low, self.searched.high
        clipped = tuple(min(max(mean, low), high) for mean in means)
        return replace(self, searched=replace(self.searched, initial=clipped))


def make_blocks(space: ParameterSpaceSpec, roles: Roles, grouping: Grouping) -> Iterator[Block]:
    """Parent by parent, each parent's parameters in the order of the methods, then those of the
    whole merge. Raises SpaceError where methods mean different things by one name."""
    found = _union(space, roles, grouping)
    groups = tuple(f"[{name}]" for name in grouping.names)
    settled = roles.pairwise and len(roles.bases) == len(roles.parents) == 1
    merge = "-".join((*roles.bases, *roles.parents)) if settled else "merge"
    for owner in (*roles.parents, None):
        for one, methods in found:
            if one.parameter.per_parent == (owner is not None):
                label = f"{owner or merge}.{one.parameter.name}"
                names = groups if one.grouped else ("",)
                own = space.starts.get(owner or "", {}).get(one.parameter.name)
                begun = one if own is None else replace(one, initial=own)
                yield Block(begun, owner, label, names, methods)


def _union(
    space: ParameterSpaceSpec, roles: Roles, grouping: Grouping
) -> list[tuple[Searched, frozenset[str]]]:
    found: dict[str, Searched] = {}
    users: dict[str, set[str]] = {}
    for method in roles.methods:
        for one in searched(space, method, grouping.layer_ends[-1]):
            name = one.parameter.name
            first = found.setdefault(name, one)
            if not first.agrees(one):
                message = f"{method.name!r} means something else by {name!r} than the others"
                raise SpaceError(message)
            users.setdefault(name, set()).add(method.name)
    return [(one, frozenset(users[name])) for name, one in found.items()]


def _limited(value: Value, limits: Parameter) -> Value:
    if isinstance(value, bool | str):
        return value
    value = value if limits.low is None else max(value, limits.low)
    return value if limits.high is None else min(value, limits.high)
