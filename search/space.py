"""Parameter space: a genome of a method's parameters, and the recipe that it stands for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from merging.catalogue import Method, get_method
from merging.recipe import Recipe
from search.calibration import STARTED, Coefficients, calibration, group_means
from search.errors import SpaceError
from search.gene import Gene, Genome
from search.groups import Grouping
from search.parameter_spec import ParameterSpaceSpec
from search.ranges import Searched, fixed, is_pairwise, searched
from search.spec import ModelShape, SearchSpec

__all__ = ["Gene", "Genome", "ParameterSpace"]


@dataclass(frozen=True)
class ParameterSpace:
    """A method's parameters by parent and gene group.

    `genes` come parent by parent, each parent's parameters in the order of the method, then those
    of the whole merge; the groups of one parameter in the order of `Grouping`. Recipes name models
    by their `ref`, not by the spec's alias, so that they run elsewhere.
    """

    genes: tuple[Gene, ...]
    _blocks: tuple[_Block, ...]
    _grouping: Grouping
    _parents: tuple[str, ...]
    _base: str | None
    _method: str
    _fixed: Mapping[str, object]
    _calibration: Mapping[str, object] | None

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
        method = get_method(space.method)
        base, parents = roles(space, method)
        grouping = _grouping(space, shapes)
        blocks = tuple(_blocks(space, method, parents, grouping))
        if start is not None:
            blocks = tuple(block.started(start, grouping) for block in blocks)
        return cls(
            genes=tuple(gene for block in blocks for gene in block.genes()),
            _blocks=blocks,
            _grouping=grouping,
            _parents=tuple(spec.models[alias].ref for alias in parents),
            _base=None if base is None else spec.models[base].ref,
            _method=method.name,
            _fixed=fixed(space, method, spec.seed),
            _calibration=(
                None if method.statistic is None else calibration(spec, space).model_dump()
            ),
        )

    @property
    def dimension(self) -> int:
        """The number of genes."""
        return len(self.genes)

    def decode(self, genome: Sequence[float]) -> Recipe:
        """The recipe of a genome (one number a gene, clipped into bounds), in mergekit's words.

        Numbers keep every digit, so that the recipe's digest stands for the genome.
        Raises SpaceError for a genome of another length, or with a number that is none.
        """
        if len(genome) != self.dimension:
            raise SpaceError(f"the genome has {len(genome)} genes, the space {self.dimension}")
        if any(math.isnan(value) for value in genome):
            raise SpaceError("the genome holds NaN")
        numbers = [gene.clip(float(value)) for gene, value in zip(self.genes, genome, strict=True)]
        shared = dict(self._fixed)
        per_parent: list[dict[str, object]] = [{} for _ in self._parents]
        start = 0
        for block in self._blocks:
            end = start + len(block.names)
            target = shared if block.parent is None else per_parent[block.parent]
            target[block.searched.parameter.name] = self._setting(block, numbers[start:end])
            start = end
        return Recipe.parse(
            {
                "merge_method": self._method,
                "models": [
                    {"model": ref, "parameters": parameters}
                    for ref, parameters in zip(self._parents, per_parent, strict=True)
                ],
                "base_model": self._base,
                "parameters": shared,
                "calibration": self._calibration,
            }
        )

    def probe(self) -> Recipe:
        """The recipe at the initial genome."""
        return self.decode([gene.initial for gene in self.genes])

    def _setting(self, block: _Block, numbers: Sequence[float]) -> object:
        if block.searched.grouped:
            return self._grouping.setting(numbers)
        return block.searched.value(numbers[0])


def roles(space: ParameterSpaceSpec, method: Method) -> tuple[str | None, tuple[str, ...]]:
    """The aliases of the base and of the models that a recipe lists.

    A method between two models lists both, the base first; its spec may name the base among the
    parents or apart.
    """
    if not is_pairwise(method):
        return space.base, space.parents
    if space.base is None or space.base in space.parents:
        return space.parents[0], space.parents
    return space.base, (space.base, *space.parents)


@dataclass(frozen=True)
class _Block:
    """One parameter of one parent, or of the whole merge: a gene a group, or one gene."""

    searched: Searched
    parent: int | None
    label: str
    names: tuple[str, ...]

    def genes(self) -> list[Gene]:
        initial = self.searched.initial
        starts = initial if isinstance(initial, tuple) else (initial,) * len(self.names)
        if len(starts) != len(self.names):
            message = f"{len(starts)} numbers for {len(self.names)} gene groups"
            raise SpaceError(f"{self.label}: {message}")
        return [
            Gene(
                f"{self.label}{name}",
                self.searched.low,
                self.searched.high,
                start,
                self.searched.edges,
                ordered=not self.searched.choices,
            )
            for name, start in zip(self.names, starts, strict=True)
        ]

    def started(self, start: Coefficients, grouping: Grouping) -> _Block:
        """The block with its genes at a parent's coefficients, if it holds the parent's weights."""
        if self.parent is None or self.searched.parameter.name != STARTED:
            return self
        genes = self.genes()
        means = group_means(start, grouping, self.parent, [gene.initial for gene in genes])
        clipped = tuple(gene.clip(mean) for gene, mean in zip(genes, means, strict=True))
        return replace(self, searched=replace(self.searched, initial=clipped))


def _blocks(
    space: ParameterSpaceSpec, method: Method, parents: Sequence[str], grouping: Grouping
) -> Iterator[_Block]:
    found = searched(space, method, grouping.layer_ends[-1])
    groups = tuple(f"[{name}]" for name in grouping.names)

    def block(one: Searched, parent: int | None, owner: str) -> _Block:
        label = f"{owner}.{one.parameter.name}"
        return _Block(one, parent, label, groups if one.grouped else ("",))

    for index, alias in enumerate(parents):
        if not (is_pairwise(method) and index == 0):
            for one in found:
                if one.parameter.per_parent:
                    yield block(one, index, alias)
    owner = "-".join(parents) if is_pairwise(method) else "merge"
    for one in found:
        if not one.parameter.per_parent:
            yield block(one, None, owner)


def _grouping(space: ParameterSpaceSpec, shapes: Mapping[str, ModelShape]) -> Grouping:
    aliases = [*space.parents, *([space.base] if space.base is not None else [])]
    used = [shapes[alias] for alias in aliases]
    depths = {shape.num_layers for shape in used}
    if len(depths) != 1:
        raise SpaceError(f"the models have {sorted(depths)} layers")
    num_layers = depths.pop()
    if space.layer_groups > num_layers:
        raise SpaceError(f"{space.layer_groups} layer groups in {num_layers} layers")
    return Grouping.of(
        num_layers,
        space.layer_groups,
        space.module_groups,
        embeddings=space.embeddings,
        # Where only some models are tied, the output embedding may yet be a tensor.
        tied_embeddings=all(shape.tied_embeddings for shape in used),
    )
