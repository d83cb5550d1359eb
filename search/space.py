"""Parameter space: a genome of a method's parameters, and the recipe that it stands for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from merging.method import Method, Value
from merging.recipe import Calibration, Recipe
from search.blocks import Block, Values, make_blocks
from search.calibration import Coefficients, calibration
from search.errors import SpaceError
from search.gene import Gene, Genome, within_bounds
from search.groups import Grouping
from search.parameter_spec import ParameterSpaceSpec
from search.ranges import fixed
from search.roles import Cast, Roles
from search.spec import ModelShape, SearchSpec

__all__ = ["Gene", "Genome", "ParameterSpace", "Point"]


@dataclass(frozen=True)
class Point:
    """What a genome decides: who takes part, and the values that are searched.

    `values` by parent (None for the whole merge) and parameter.
    """

    cast: Cast
    values: Mapping[tuple[str | None, str], Values]


@dataclass(frozen=True)
class ParameterSpace:
    """The parameters of a method, or of several, by parent and gene group.

    `genes` come parent by parent, each parent's parameters in the order of the method, then those
    of the whole merge; the groups of one parameter in the order of `Grouping`. The genes that
    choose method, base and parents come last. A parameter that the method does not have, or of a
    parent that takes no part, is left out of the recipe, so that its gene changes no digest.
    Recipes name models by their `ref`, not by the spec's alias, so that they run elsewhere.
    """

    genes: tuple[Gene, ...]
    roles: Roles
    grouping: Grouping
    _blocks: tuple[Block, ...]
    _refs: Mapping[str, str]
    _fixed: Mapping[str, Mapping[str, Value]]
    _calibration: Calibration

    @classmethod
    def from_spec(
        cls,
        spec: SearchSpec,
        space: ParameterSpaceSpec,
        shapes: Mapping[str, ModelShape],
        start: Coefficients | None = None,
    ) -> ParameterSpace:
        """The space of one of the spec's stages, for models of these shapes by alias.

        `start` are the coefficients that the weights start from, one a parent. Raises SpaceError
        where `check_spec` finds a mistake.
        """
        roles = Roles.of(space)
        grouping = _grouping(space, shapes)
        blocks = tuple(make_blocks(space, roles, grouping))
        if start is not None:
            places = {alias: place for place, alias in enumerate(roles.parents)}
            blocks = tuple(
                block.started(start, grouping, places.get(block.parent or "")) for block in blocks
            )
        return cls(
            genes=(*(gene for block in blocks for gene in block.genes()), *roles.genes()),
            roles=roles,
            grouping=grouping,
            _blocks=blocks,
            _refs={alias: spec.models[alias].ref for alias in (*roles.bases, *roles.parents)},
            _fixed={one.name: fixed(space, one, spec.seed) for one in roles.methods},
            _calibration=calibration(spec, space),
        )

    @property
    def dimension(self) -> int:
        """The number of genes."""
        return len(self.genes)

    def decode(self, genome: Sequence[float]) -> Recipe:
        """The recipe of a genome (one number a gene, clipped into bounds), in mergekit's words.

        Numbers keep every digit, so that the recipe's digest stands for what the genome decides.
        Raises SpaceError for a genome of another length, or with a number that is none.
        """
        return self._recipe(self.point(genome))

    def point(self, genome: Sequence[float]) -> Point:
        """What a genome decides. Raises SpaceError as `decode` does."""
        numbers = within_bounds(self.genes, genome)
        spans = list(self._spans())
        cast = self.roles.read(numbers[spans[-1][1].stop if spans else 0 :])
        return Point(
            cast,
            {
                (block.parent, block.name): block.read(numbers[span], cast.method)
                for block, span in spans
                if _is_active(block, cast)
            },
        )

    def encode(self, point: Point) -> Genome | None:
        """A genome that stands for the point; None where none does.

        Parameters that the point leaves out stay where their genes start. One that is not searched
        must have the value that all candidates have.
        """
        try:
            return self._encode(point)
        except ValueError:
            return None

    def probes(self) -> list[Recipe]:
        """Recipes in which every method meets every model of the space, its genes at their
        start."""
        starts = [gene.initial for gene in self.genes]
        return [
            self._recipe(
                Point(
                    cast,
                    {
                        (block.parent, block.name): block.read(starts[span], cast.method)
                        for block, span in self._spans()
                        if _is_active(block, cast)
                    },
                )
            )
            for cast in self.roles.probes()
        ]

    def _encode(self, point: Point) -> Genome:
        cast, left = point.cast, dict(point.values)
        numbers = [gene.initial for gene in self.genes]
        end = 0
        for block, span in self._spans():
            end = span.stop
            values = left.pop((block.parent, block.name), None) if _is_active(block, cast) else None
            if values is not None:
                numbers[span] = block.write(values)
        for (_, name), values in left.items():
            if set(values) != {self._settled(cast.method, name)}:
                raise ValueError(f"{name} is not searched")
        numbers[end:] = self.roles.write(cast)
        return tuple(numbers)

    def _settled(self, method: Method, name: str) -> Value | None:
        """The value of a parameter that the space does not search."""
        parameter = method.parameter(name)
        return self._fixed[method.name].get(name, parameter.default if parameter else None)

    def _spans(self) -> Iterator[tuple[Block, slice]]:
        start = 0
        for block in self._blocks:
            yield block, slice(start, start + len(block.names))
            start += len(block.names)

    def _recipe(self, point: Point) -> Recipe:
        cast = point.cast
        shared: dict[str, object] = dict(self._fixed[cast.method.name])
        per_parent: dict[str, dict[str, object]] = {alias: {} for alias in cast.listed}
        for block in self._blocks:
            values = point.values.get((block.parent, block.name))
            if values is not None and _is_active(block, cast):
                target = shared if block.parent is None else per_parent[block.parent]
                grouped = block.searched.grouped
                target[block.name] = self.grouping.setting(values) if grouped else values[0]
        return Recipe.parse(
            {
                "merge_method": cast.method.name,
                "models": [
                    {"model": self._refs[alias], "parameters": parameters}
                    for alias, parameters in per_parent.items()
                ],
                "base_model": None if cast.base is None else self._refs[cast.base],
                "parameters": shared,
                "calibration": self._calibration_of(cast),
            }
        )

    def _calibration_of(self, cast: Cast) -> Mapping[str, object] | None:
        if cast.method.statistic is None:
            return None
        there = {self._refs[alias] for alias in (*cast.parents, cast.base) if alias is not None}
        given = self._calibration
        tasks = {ref: task for ref, task in given.models.items() if ref in there}
        return given.model_copy(update={"models": tasks}).model_dump()


def _is_active(block: Block, cast: Cast) -> bool:
    takes_part = block.parent is None or block.parent in cast.parents
    return takes_part and cast.method.name in block.methods


def _grouping(space: ParameterSpaceSpec, shapes: Mapping[str, ModelShape]) -> Grouping:
    used = [shapes[alias] for alias in (*space.parents, *space.bases)]
    depths = {shape.num_layers for shape in used}
    if len(depths) != 1:
        raise SpaceError(f"the models have {sorted(depths)} layers")
    num_layers = depths.pop()
    groups = space.layer_groups
    if isinstance(groups, int) and groups > num_layers:
        raise SpaceError(f"{groups} layer groups in {num_layers} layers")
    if not isinstance(groups, int) and sum(groups) != num_layers:
        raise SpaceError(f"layer groups of {sum(groups)} layers in {num_layers} layers")
    return Grouping.of(
        num_layers,
        groups,
        space.module_groups,
        space.tensor_groups,
        embeddings=space.embeddings,
        # Where only some models are tied, the output embedding may yet be a tensor.
        tied_embeddings=all(shape.tied_embeddings for shape in used),
    )
