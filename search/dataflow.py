"""Data-flow space: a genome of switches and scales, and the path that it stands for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from merging.dataflow.path import LARGEST, SMALLEST
from merging.recipe import Recipe
from search.dataflow_spec import DataFlowSpaceSpec
from search.errors import SpaceError
from search.gene import Gene, Genome, within_bounds
from search.hop_scales import Block, Hop, HopScales, make_scales
from search.model_shape import ModelShape
from search.parameter_spec import GeneRange

LONGEST = 1.5
"""The longest path by default, in depths of the first parent."""

_Visit = tuple[Block, float]


@dataclass(frozen=True)
class DataFlowSpace:
    """Switches by slot, and scales.

    Genes: a switch for every slot (the block is visited where it is above 0), then those of the
    scales. The first parent's first and last block are on every path and have no switch in the
    first repetition, so the genome of all initial values is the first parent itself: a published
    sketch that keeps them visits both twice there. `pool` and `slots` are in the order of a path.
    """

    genes: tuple[Gene, ...]
    pool: tuple[Block, ...]
    slots: tuple[Block, ...]
    depth: int
    """Of the first parent."""
    length: int
    """Of the longest path, in hops."""
    _switches: tuple[Gene, ...]
    _scales: HopScales
    _probe: float
    _refs: Mapping[str, str]
    _on: float
    _off: float

    @classmethod
    def from_spec(
        cls,
        space: DataFlowSpaceSpec,
        refs: Mapping[str, str],
        shapes: Mapping[str, ModelShape],
    ) -> DataFlowSpace:
        """The space over models of these references and shapes by alias."""
        first = space.parents[0]
        depth = shapes[first].num_layers
        if depth < 2:
            raise SpaceError(f"the first parent {first!r} has one layer; a path needs two ends")
        pool = tuple(_pool(space.parents, shapes))
        places = [
            (block, repetition)
            for repetition in range(space.repeats)
            for block in pool
            if repetition > 0 or block.parent > 0 or block.layer not in (0, depth - 1)
        ]
        names = [f"{block.name} #{repetition + 1}" for block, repetition in places]
        switches = tuple(
            Gene(
                f"use[{name}]",
                -1.0,
                1.0,
                space.initial_on if block.parent == repetition == 0 else space.initial_off,
                edges=(0.0,),
            )
            for name, (block, repetition) in zip(names, places, strict=True)
        )
        scales = make_scales(space, pool, [*names, "last"])
        return cls(
            genes=(*switches, *scales.genes),
            pool=pool,
            slots=tuple(block for block, _ in places),
            depth=depth,
            length=space.max_length or math.ceil(LONGEST * depth),
            _switches=switches,
            _scales=scales,
            _probe=1.0 if space.scales == "none" else _other_than_1(space.scale),
            _refs=refs,
            _on=space.initial_on,
            _off=space.initial_off,
        )

    @property
    def dimension(self) -> int:
        """The number of genes."""
        return len(self.genes)

    def decode(self, genome: Sequence[float]) -> Recipe:
        """The path of a genome (one number a gene, clipped into bounds).

        Of a path that is too long the slots with the lowest switches are left out, of equal ones
        the later. A scale that would take the product of scales out of the bounds of what can be
        exported takes it to the bound. Raises SpaceError for a genome of another length, or with a
        number that is none.
        """
        numbers = within_bounds(self.genes, genome)
        switches, scaling = numbers[: len(self.slots)], numbers[len(self.slots) :]
        wanted = [place for place, number in enumerate(switches) if number > 0]
        wanted.sort(key=lambda place: -switches[place])
        kept = sorted(wanted[: self.length - 2])
        first, last = Hop(self.pool[0], -1), Hop(self.pool[self.depth - 1], len(self.slots))
        hops = [first, *(Hop(self.slots[place], place) for place in kept), last]
        scale_of = self._scales.reading(scaling)
        scales = [
            scale_of(before, hop, step / (self.length - 1))
            for step, (before, hop) in enumerate(pairwise(hops), start=1)
        ]
        visits = zip((hop.block for hop in hops), (1.0, *scales), strict=True)
        return self._recipe(list(_bounded(visits)))

    def encode(self, path: Sequence[tuple[str, int]]) -> Genome | None:
        """A genome whose path visits these blocks (alias and layer), unscaled; None where there is
        none."""
        ends = [(block.alias, block.layer) for block in (self.pool[0], self.pool[self.depth - 1])]
        if len(path) > self.length or [path[0], path[-1]] != ends or len(path) < 2:
            return None
        numbers = [gene.initial for gene in self.genes]
        numbers[: len(self.slots)] = [self._off] * len(self.slots)
        wanted = list(path[1:-1])
        for place, block in enumerate(self.slots):
            if wanted and wanted[0] == (block.alias, block.layer):
                numbers[place] = self._on
                del wanted[0]
        if wanted:
            return None
        parts = self.decode(numbers).slices or ()
        scaled = any(source.parameters for part in parts for source in part.sources)
        return None if scaled else tuple(numbers)

    def probes(self) -> list[Recipe]:
        """A path that visits every model, scaled where the space scales."""
        others = [block for block in self.pool if block.parent > 0 and block.layer == 0]
        visits = [*others, self.pool[self.depth - 1]]
        return [
            self._recipe([(self.pool[0], 1.0), *_bounded((one, self._probe) for one in visits)])
        ]

    def _recipe(self, visits: Sequence[_Visit]) -> Recipe:
        return Recipe.parse(
            {
                "merge_method": "passthrough",
                "slices": [{"sources": [source]} for source in self._sources(visits)],
            }
        )

    def _sources(self, visits: Sequence[_Visit]) -> Iterator[dict[str, object]]:
        """A source for every run of consecutive layers whose scales are 1, and for every hop of
        another scale."""
        # In a run of layers, layer - place stays the same.
        runs = groupby(
            enumerate(visits),
            lambda entry: (
                entry[1][0].alias,
                entry[1][0].layer - entry[0],
                entry[1][1],
                entry[0] if entry[1][1] != 1 else None,
            ),
        )
        for (alias, _, scale, _), run in runs:
            layers = [block.layer for _, (block, _) in run]
            source: dict[str, object] = {
                "model": self._refs[alias],
                "layer_range": [layers[0], layers[-1] + 1],
            }
            yield source if scale == 1 else source | {"parameters": {"input_scale": scale}}


def _bounded(visits: Iterable[_Visit]) -> Iterator[_Visit]:
    product = 1.0
    for block, scale in visits:
        size = abs(product * scale)
        kept = min(max(size, SMALLEST), LARGEST)
        bounded = scale if kept == size else scale * (kept / size)
        product *= bounded
        yield block, bounded


def _other_than_1(scale: GeneRange) -> float:
    return scale.high if scale.high != 1 else scale.low


def _pool(parents: Sequence[str], shapes: Mapping[str, ModelShape]) -> Iterator[Block]:
    place = 0
    for parent, alias in enumerate(parents):
        layers = shapes[alias].num_layers
        for layer in range(layers):
            yield Block(alias, layer, parent, layer / max(1, layers - 1), place)
            place += 1
