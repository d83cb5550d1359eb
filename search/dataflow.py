"""Data-flow space: a genome of switches and scales, and the path that it stands for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from merging.dataflow.path import LARGEST, SMALLEST
from merging.recipe import Recipe
from search.dataflow_spec import DataFlowSpaceSpec
from search.errors import SpaceError
from search.gene import Gene
from search.model_shape import ModelShape

# A first step of 1/6 switches a slot that is on off, or one that is off on, one time in forty and
# one time in six: the search begins near the first parent, and takes blocks in one by one.
ON, OFF = 1 / 3, -1 / 6
LONGEST = 1.5

_Hop = tuple[str, int, float]


@dataclass(frozen=True)
class Slot:
    """A place on the path that may visit a block."""

    alias: str
    layer: int
    repetition: int

    @property
    def name(self) -> str:
        return f"{self.alias} {self.layer} #{self.repetition + 1}"


@dataclass(frozen=True)
class DataFlowSpace:
    """Indicators and scales by slot.

    Genes: an indicator for every slot (the block is visited where it is above 0), and with scales
    a factor for every slot and for the last hop. The first parent's first and last block are on
    every path and have no indicator in the first repetition, so the genome of all initial values
    is the first parent itself: a published sketch that keeps them visits both twice there.
    """

    genes: tuple[Gene, ...]
    _slots: tuple[Slot, ...]
    _refs: Mapping[str, str]
    _first: str
    _depth: int
    _length: int
    _scaled: bool

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
        slots = tuple(
            Slot(alias, layer, repetition)
            for repetition in range(space.repeats)
            for alias in space.parents
            for layer in range(shapes[alias].num_layers)
            if (alias, repetition) != (first, 0) or layer not in (0, depth - 1)
        )
        return cls(
            genes=tuple(_genes(space, slots, first)),
            _slots=slots,
            _refs=refs,
            _first=first,
            _depth=depth,
            _length=space.max_length or math.ceil(LONGEST * depth),
            _scaled=space.scales,
        )

    @property
    def dimension(self) -> int:
        """The number of genes."""
        return len(self.genes)

    def decode(self, genome: Sequence[float]) -> Recipe:
        """The path of a genome (one number a gene, clipped into bounds).

        Of a path that is too long the slots with the lowest indicators are left out, of equal ones
        the later. A scale that would take the product of scales out of the bounds of what can be
        exported takes it to the bound. Raises SpaceError for a genome of another length, or with a
        number that is none.
        """
        if len(genome) != self.dimension:
            raise SpaceError(f"the genome has {len(genome)} genes, the space {self.dimension}")
        if any(math.isnan(value) for value in genome):
            raise SpaceError("the genome holds NaN")
        numbers = [gene.clip(float(value)) for gene, value in zip(self.genes, genome, strict=True)]
        indicators, scales = numbers[: len(self._slots)], numbers[len(self._slots) :]
        if not self._scaled:
            scales = [1.0] * (len(self._slots) + 1)
        wanted = [place for place, number in enumerate(indicators) if number > 0]
        wanted.sort(key=lambda place: -indicators[place])
        hops: list[_Hop] = [(self._first, 0, 1.0)]
        for place in sorted(wanted[: self._length - 2]):
            slot = self._slots[place]
            hops.append((slot.alias, slot.layer, scales[place]))
        hops.append((self._first, self._depth - 1, scales[-1]))
        return self._recipe(list(_bounded(hops)))

    def probes(self) -> list[Recipe]:
        """A path that visits every model, scaled where the space scales."""
        gene = self.genes[-1]
        scale = 1.0
        if self._scaled:
            scale = gene.high if gene.high != 1 else gene.low
        others = [alias for alias in self._refs if alias != self._first]
        last = (self._first, self._depth - 1, scale)
        return [self._recipe([(self._first, 0, 1.0), *((one, 0, scale) for one in others), last])]

    def _recipe(self, hops: Sequence[_Hop]) -> Recipe:
        return Recipe.parse(
            {
                "merge_method": "passthrough",
                "slices": [{"sources": [source]} for source in self._sources(hops)],
            }
        )

    def _sources(self, hops: Sequence[_Hop]) -> Iterator[dict[str, object]]:
        """A source for every run of consecutive layers whose scales are 1, and for every hop of
        another scale."""
        numbered = enumerate(hops)
        # In a run of layers, layer - place stays the same.
        runs = groupby(
            numbered,
            lambda entry: (
                entry[1][0],
                entry[1][1] - entry[0],
                entry[1][2],
                entry[0] if entry[1][2] != 1 else None,
            ),
        )
        for (alias, _, scale, _), run in runs:
            layers = [layer for _, (_, layer, _) in run]
            source: dict[str, object] = {
                "model": self._refs[alias],
                "layer_range": [layers[0], layers[-1] + 1],
            }
            yield source if scale == 1 else source | {"parameters": {"input_scale": scale}}


def _bounded(hops: Sequence[_Hop]) -> Iterator[_Hop]:
    product = 1.0
    for alias, layer, scale in hops:
        size = abs(product * scale)
        kept = min(max(size, SMALLEST), LARGEST)
        bounded = scale if kept == size else scale * (kept / size)
        product *= bounded
        yield alias, layer, bounded


def _genes(space: DataFlowSpaceSpec, slots: Sequence[Slot], first: str) -> Iterator[Gene]:
    for slot in slots:
        on = slot.alias == first and slot.repetition == 0
        yield Gene(f"use[{slot.name}]", -1.0, 1.0, ON if on else OFF, edges=(0.0,))
    if space.scales:
        low, high, initial = space.scale.low, space.scale.high, space.scale.initial
        starts = initial if isinstance(initial, tuple) else (initial,) * (len(slots) + 1)
        names = [*(slot.name for slot in slots), "last"]
        if len(starts) != len(names):
            raise SpaceError(f"scale: {len(starts)} numbers for {len(names)} hops")
        for name, start in zip(names, starts, strict=True):
            yield Gene(f"scale[{name}]", low, high, start)
