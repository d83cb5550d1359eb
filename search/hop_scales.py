"""The factor on the residual stream as it enters a hop: by slot, by pair of blocks, or by a small
network (Akiba et al., arXiv 2403.13187, section 3.2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from search.dataflow_spec import DataFlowSpaceSpec
from search.gene import Gene
from search.transforms import Interval

HIDDEN = 8
"""Units of the network's hidden layer."""
WEIGHT_LIMIT = 3.0
"""How far from 0 a weight of the network may be."""


@dataclass(frozen=True)
class Block:
    """A block of the pool: a layer of the `parent`-th parent, at a depth from 0 to 1."""

    alias: str
    layer: int
    parent: int
    depth: float
    place: int
    """Its place in the pool."""

    @property
    def name(self) -> str:
        return f"{self.alias} {self.layer}"


@dataclass(frozen=True)
class Hop:
    """A visit to a block from a slot; that of the forced last hop is the number of slots."""

    block: Block
    slot: int


ScaleOf = Callable[[Hop, Hop, float], float]
"""The factor on the way from one hop to the next; the share of the longest path that lies behind,
from 0 to 1."""


@dataclass(frozen=True)
class HopScales:
    """Genes that decide the factors, and how they are read. `reading` takes one number a gene."""

    genes: tuple[Gene, ...]
    reading: Callable[[Sequence[float]], ScaleOf]


def make_scales(
    space: DataFlowSpaceSpec, pool: Sequence[Block], slot_names: Sequence[str]
) -> HopScales:
    """The factors of a space. `slot_names` are those of the slots and of the last hop. All genes at
    their start, every factor is `scale.initial`."""
    interval = Interval(space.scale.low, space.scale.high, space.scale.scale)
    start = space.scale.initial
    assert not isinstance(start, tuple)
    match space.scales:
        case "none":
            return HopScales((), lambda _numbers: _unscaled)
        case "hop":
            names = slot_names
            return HopScales(_factors(interval, names, start), _by_slot(interval))
        case "pair":
            names = [f"{before.name} > {block.name}" for before in pool for block in pool]
            return HopScales(_factors(interval, names, start), _by_pair(interval, len(pool)))
        case "network":
            network = _Network(len({block.parent for block in pool}), interval, start)
            return HopScales(tuple(network.genes()), network.reading)


def _unscaled(_before: Hop, _hop: Hop, _step: float) -> float:
    return 1.0


def _factors(interval: Interval, names: Sequence[str], start: float) -> tuple[Gene, ...]:
    return tuple(interval.gene(f"scale[{name}]", start) for name in names)


def _by_slot(interval: Interval) -> Callable[[Sequence[float]], ScaleOf]:
    return lambda numbers: lambda _before, hop, _step: interval.value(numbers[hop.slot])


def _by_pair(interval: Interval, size: int) -> Callable[[Sequence[float]], ScaleOf]:
    def reading(numbers: Sequence[float]) -> ScaleOf:
        return lambda before, hop, _step: interval.value(
            numbers[before.block.place * size + hop.block.place]
        )

    return reading


@dataclass(frozen=True)
class _Network:
    """pi_phi(i, j, t): a hidden layer of tanh units over the depths of both blocks, the step, which
    parents they are of (the first apart), and 1; the output y moves the factor from its start
    towards `high` for y > 0 and towards `low` for y < 0, by tanh |y| of the way.

    Output weights start at 0, so all factors start alike. Those of the hidden units start apart
    from one another, or they would all learn the same.
    """

    parents: int
    interval: Interval
    start: float

    @property
    def _inputs(self) -> int:
        return 4 + 2 * (self.parents - 1)

    def genes(self) -> Iterator[Gene]:
        for unit in range(HIDDEN):
            for place in range(self._inputs):
                # Any fixed numbers of order one that differ from unit to unit.
                start = math.sin(1 + unit * self._inputs + place)
                yield _weight(f"hidden {unit}.{place}", start)
        for place in range(HIDDEN + 1):
            yield _weight(f"output {place}", 0.0)

    def reading(self, numbers: Sequence[float]) -> ScaleOf:
        rows = [numbers[unit * self._inputs : (unit + 1) * self._inputs] for unit in range(HIDDEN)]
        *weights, bias = numbers[HIDDEN * self._inputs :]

        def scale(before: Hop, hop: Hop, step: float) -> float:
            inputs = [before.block.depth, hop.block.depth, step, 1.0]
            for block in (before.block, hop.block):
                inputs += [float(block.parent == one) for one in range(1, self.parents)]
            units = [math.tanh(_dot(row, inputs)) for row in rows]
            return self._factor(bias + _dot(weights, units))

        return scale

    def _factor(self, output: float) -> float:
        start = self.interval.to_gene(self.start)
        end = self.interval.to_gene(self.interval.high if output > 0 else self.interval.low)
        if output == 0:
            return self.start
        return self.interval.value(start + (end - start) * math.tanh(abs(output)))


def _weight(name: str, start: float) -> Gene:
    return Gene(f"network[{name}]", -WEIGHT_LIMIT, WEIGHT_LIMIT, start)


def _dot(first: Sequence[float], second: Sequence[float]) -> float:
    return sum(one * other for one, other in zip(first, second, strict=True))
