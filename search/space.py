"""Parameter space: a genome of weights and densities, and the recipe that it stands for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from merging.catalogue import Method, get_method
from merging.recipe import Recipe
from search.errors import SpaceError
from search.gene import Gene, Genome
from search.groups import Grouping
from search.ranges import (
    Bounds,
    density_bounds,
    interpolation_bounds,
    is_pairwise,
    needs_normalize,
    weight_bounds,
)
from search.spec import ModelShape, ParameterSpaceSpec, SearchSpec, Stage

__all__ = ["Gene", "Genome", "ParameterSpace"]


@dataclass(frozen=True)
class ParameterSpace:
    """Weights (and densities, or `t`) by parent and gene group.

    `genes` come parent by parent, weights before densities, in the order of `Grouping`. Recipes
    name models by their `ref`, not by the spec's alias, so that they run elsewhere.
    """

    genes: tuple[Gene, ...]
    _blocks: tuple[_Block, ...]
    _grouping: Grouping
    _parents: tuple[str, ...]
    _base: str | None
    _method: str
    _shared: Mapping[str, object]

    @classmethod
    def from_spec(
        cls, spec: SearchSpec, stage: Stage, shapes: Mapping[str, ModelShape]
    ) -> ParameterSpace:
        """The space of a stage, for models of these shapes by alias.

        Raises SpaceError where `check_spec` finds a mistake.
        """
        space = stage.space
        grouping = _grouping(space, shapes)
        method = get_method(space.method)
        blocks = tuple(_blocks(space, method))
        base = space.parents[0] if is_pairwise(method) else space.base
        return cls(
            genes=tuple(gene for block in blocks for gene in block.genes(grouping.names)),
            _blocks=blocks,
            _grouping=grouping,
            _parents=tuple(spec.models[alias].ref for alias in space.parents),
            _base=None if base is None else spec.models[base].ref,
            _method=method.name,
            _shared=_shared(method, spec.seed),
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
        shared = dict(self._shared)
        per_parent: list[dict[str, object]] = [{} for _ in self._parents]
        start = 0
        for block in self._blocks:
            if block.fixed is not None:
                value: object = block.fixed
            else:
                end = start + len(self._grouping.names)
                value = self._grouping.setting(numbers[start:end])
                start = end
            target = shared if block.parent is None else per_parent[block.parent]
            target[block.parameter] = value
        return Recipe.parse(
            {
                "merge_method": self._method,
                "models": [
                    {"model": ref, "parameters": parameters}
                    for ref, parameters in zip(self._parents, per_parent, strict=True)
                ],
                "base_model": self._base,
                "parameters": shared,
            }
        )


@dataclass(frozen=True)
class _Block:
    """One parameter of one parent (or of the whole merge): a gene a group, or a fixed number."""

    parameter: str
    parent: int | None
    label: str
    bounds: Bounds | None
    fixed: float | None = None

    def genes(self, names: Sequence[str]) -> list[Gene]:
        if self.bounds is None:
            return []
        low, high, initial = self.bounds
        starts = initial if isinstance(initial, tuple) else (initial,) * len(names)
        if len(starts) != len(names):
            raise SpaceError(f"{self.label}: {len(starts)} numbers for {len(names)} gene groups")
        return [
            Gene(f"{self.label}[{name}]", low, high, start)
            for name, start in zip(names, starts, strict=True)
        ]


def _blocks(space: ParameterSpaceSpec, method: Method) -> list[_Block]:
    if is_pairwise(method):
        label = f"{'-'.join(space.parents)}.t"
        return [_Block("t", None, label, interpolation_bounds(space))]
    blocks = []
    for index, alias in enumerate(space.parents):
        blocks.append(_Block("weight", index, f"{alias}.weight", weight_bounds(space)))
        if method.parameter("density") is not None:
            density = density_bounds(space)
            label = f"{alias}.density"
            if isinstance(density, float):
                blocks.append(_Block("density", index, label, None, fixed=density))
            else:
                blocks.append(_Block("density", index, label, density))
    return blocks


def _shared(method: Method, seed: int) -> dict[str, object]:
    """The method's parameters that are the same for every candidate, written out because tools
    differ in their defaults. All candidates share one seed, and so their random masks."""
    shared: dict[str, object] = {}
    if method.parameter("normalize") is not None:
        shared["normalize"] = needs_normalize(method.name)
    if method.parameter("random_seed") is not None:
        shared["random_seed"] = seed
    return shared


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
