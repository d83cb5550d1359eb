"""What a person would try by hand, as genomes: where a search begins, so that it ends no worse.

Only what a space holds exactly is a seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from search.blocks import Values
from search.by_hand import KINDS, Baseline, layer_swap_widths
from search.dataflow import DataFlowSpace
from search.gene import Genome
from search.roles import Cast
from search.space import ParameterSpace, Point


@dataclass(frozen=True)
class Seed:
    """A genome that stands for a baseline, and the baseline's name.

    `model` is the alias of the model that it is, up to rounding, if it is one.
    """

    label: str
    genome: Genome
    model: str | None = None


def baseline_seeds(space: ParameterSpace | DataFlowSpace) -> list[Seed]:
    """The baselines that the space holds, each recipe once: single models, averages, task
    arithmetic with one weight for all, TIES and DARE-TIES as published, the middle of an arc, and
    layer swaps; of a data-flow space, the first parent and layer swaps around the others."""
    found = _of_paths(space) if isinstance(space, DataFlowSpace) else _of_merges(space)
    seeds: dict[str, Seed] = {}
    for seed in found:
        seeds.setdefault(space.decode(seed.genome).digest(), seed)
    return list(seeds.values())


def models_in(space: ParameterSpace | DataFlowSpace) -> dict[str, str]:
    """The aliases of the models that the space holds, by the digests of their recipes in it."""
    return {
        space.decode(seed.genome).digest(): seed.model
        for seed in baseline_seeds(space)
        if seed.model is not None
    }


def first_trials(
    space: ParameterSpace | DataFlowSpace, budget: int | None, *, start: bool = False
) -> list[Seed]:
    """The seeds that a stage of so many trials begins with: a quarter of them at most, after, with
    `start`, the genome that the genes start from."""
    baselines = baseline_seeds(space)[: None if budget is None else budget // 4]
    if not start:
        return baselines
    first = Seed("start", tuple(gene.initial for gene in space.genes))
    digest = space.decode(first.genome).digest()
    return [first, *(one for one in baselines if space.decode(one.genome).digest() != digest)]


def _of_merges(space: ParameterSpace) -> Iterator[Seed]:
    seen: set[str] = set()
    casts = space.roles.probes()
    for baselines, cast in product(KINDS, casts):
        for baseline in baselines(cast, space.grouping):
            if baseline.label not in seen:
                genome = _encoded(space, cast, baseline)
                if genome is not None:
                    seen.add(baseline.label)
                    yield Seed(baseline.label, genome, baseline.model)


def _encoded(space: ParameterSpace, cast: Cast, baseline: Baseline) -> Genome | None:
    """The genome of a baseline: with the parents that have a weight alone, or with all of them."""
    weighted = tuple(alias for alias in cast.parents if any(baseline.weights.get(alias, ())))
    for parents in dict.fromkeys([weighted or cast.parents, cast.parents]):
        values: dict[tuple[str | None, str], Values] = {}
        for alias in parents:
            if cast.method.parameter("weight") is not None:
                values[alias, "weight"] = baseline.weights.get(alias, (0.0,))
            values |= {(alias, name): (value,) for name, value in baseline.of_parent.items()}
        values |= {(None, name): (value,) for name, value in baseline.of_merge.items()}
        genome = space.encode(Point(replace(cast, parents=parents), values))
        if genome is not None:
            return genome
    return None


def _of_paths(space: DataFlowSpace) -> Iterator[Seed]:
    first, depth = space.pool[0].alias, space.depth
    paths = {f"parent {first}": [(first, layer) for layer in range(depth)]}
    bottom, top, _ = layer_swap_widths(depth)
    depths = {block.alias: block.layer + 1 for block in space.pool}
    for alias, layers in depths.items():
        if alias != first and layers == depth:
            inner = range(bottom, depth - top)
            paths[f"layer swap {first} around {alias}"] = [
                (alias if layer in inner else first, layer) for layer in range(depth)
            ]
    for label, path in paths.items():
        genome = space.encode(path)
        if genome is not None:
            alone = all(alias == first for alias, _ in path)
            yield Seed(label, genome, first if alone else None)
