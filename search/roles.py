"""Who takes part in a merge, and by which method: what is settled, and the genes that choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from merging.catalogue import Method, get_method
from search.gene import Gene, choosing, chosen, levels_gene
from search.parameter_spec import ParameterSpaceSpec
from search.ranges import is_pairwise

# At a first step of 1/6 a switch that starts here is off one time in six.
TAKES_PART = 1 / 6


@dataclass(frozen=True)
class Cast:
    """A merge's method, its base, and the parents besides the base; models by alias."""

    method: Method
    base: str | None
    parents: tuple[str, ...]

    @property
    def listed(self) -> tuple[str, ...]:
        """The models that a recipe lists: a method between two models lists its base too."""
        if self.base is not None and is_pairwise(self.method):
            return (self.base, *self.parents)
        return self.parents


@dataclass(frozen=True)
class Roles:
    """The casts of a space.

    `at_least` is how many parents take part at least; None where all of them always do. Genes: the
    method's, the base's, each from 0 to 1 in equal parts, and a switch for every parent, which
    takes part where it is above 0. There is none for what is settled.
    """

    methods: tuple[Method, ...]
    bases: tuple[str, ...]
    parents: tuple[str, ...]
    at_least: int | None

    @classmethod
    def of(cls, space: ParameterSpaceSpec) -> Roles:
        """The roles that a spec gives. A method between two models goes from the first of its
        parents where the spec names no base, or names that parent."""
        methods = tuple(get_method(name) for name in space.methods)
        bases, parents = space.bases, space.parents
        if is_pairwise(methods[0]) and (not bases or bases == parents[:1]):
            bases, parents = parents[:1], parents[1:]
        at_least = space.choose_parents.at_least if space.choose_parents else None
        return cls(methods, bases, parents, at_least)

    @property
    def pairwise(self) -> bool:
        """Whether the methods go between two models."""
        return is_pairwise(self.methods[0])

    def genes(self) -> list[Gene]:
        """The genes that choose."""
        several = [("merge.method", len(self.methods)), ("merge.base", len(self.bases))]
        cut = [levels_gene(name, count, ordered=False) for name, count in several if count > 1]
        return cut + [
            Gene(f"use[{alias}]", -1.0, 1.0, TAKES_PART, edges=(0.0,)) for alias in self._switched
        ]

    def read(self, numbers: Sequence[float]) -> Cast:
        """The cast that the genes stand for.

        Where fewer parents are switched on than must take part, or more than the method takes,
        those whose switches are highest do; of equals, the first.
        """
        left = list(numbers)
        method = chosen(self.methods, left.pop(0)) if len(self.methods) > 1 else self.methods[0]
        base = self.bases[0] if self.bases else None
        if len(self.bases) > 1:
            base = chosen(self.bases, left.pop(0))
        if method.base == "none":
            base = None
        parents = self._besides(base)
        if self.at_least is not None:
            switches = dict(zip(self._switched, left, strict=True))
            ranked = sorted(parents, key=lambda alias: -switches[alias])
            wanted = sum(switches[alias] > 0 for alias in parents)
            fewest = max(self.at_least, method.min_parents)
            most = len(parents) if method.max_parents is None else method.max_parents
            kept = ranked[: min(max(wanted, fewest), most)]
            parents = tuple(alias for alias in parents if alias in kept)
        return Cast(method, base, parents)

    def write(self, cast: Cast) -> list[float]:
        """Genes that stand for the cast. Raises ValueError where none do."""
        numbers = []
        if len(self.methods) > 1:
            numbers.append(choosing(self.methods, cast.method))
        if len(self.bases) > 1:
            numbers.append(0.5 if cast.base is None else choosing(self.bases, cast.base))
        for alias in self._switched:
            numbers.append(TAKES_PART if alias in cast.parents else -TAKES_PART)
        if self.read(numbers) != cast:
            raise ValueError("no genome of the space has this cast")
        return numbers

    def probes(self) -> list[Cast]:
        """Casts in which every method meets every base and every parent."""
        return [
            Cast(method, base, parents)
            for method in self.methods
            for base in (self.bases if self.bases and method.base != "none" else (None,))
            for parents in self._windows(method, self._besides(base))
        ]

    @property
    def _switched(self) -> tuple[str, ...]:
        return () if self.at_least is None else self.parents

    def _besides(self, base: str | None) -> tuple[str, ...]:
        return tuple(alias for alias in self.parents if alias != base)

    def _windows(self, method: Method, parents: tuple[str, ...]) -> list[tuple[str, ...]]:
        """The parents, as many at a time as the method takes."""
        size = len(parents)
        if self.at_least is not None and method.max_parents is not None:
            size = min(size, method.max_parents)
        starts = [min(start, len(parents) - size) for start in range(0, len(parents), size)]
        return [parents[start : start + size] for start in starts]
