"""Functions that resemble merging, to compare samplers on: accuracy on n items, by genome.

A genome has a true accuracy, and is scored on items: binomial noise, the same whenever the same
genome is scored, as it is where answers are greedy. The constants are those of Akiba et al. (arXiv
2403.13187) where they give any: weights from -0.5 to 2 whose best total is near 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from search.dataflow_spec import DataFlowSpaceSpec
from search.gene import Gene, Genome
from search.samplers.seeding import generator

# Where the switches of a data-flow space start.
ON, OFF = (DataFlowSpaceSpec.model_fields[name].default for name in ("initial_on", "initial_off"))

ITEMS = 200


@dataclass(frozen=True)
class Landscape:
    """A function of a genome: `accuracy` is the true one, between 0 and 1."""

    name: str
    genes: tuple[Gene, ...]
    accuracy: Callable[[np.ndarray], float]

    def score(self, genome: Genome) -> float:
        """The share of `ITEMS` items that are solved, the same for the same genome."""
        numbers = np.array(genome)
        bits = np.frombuffer(numbers.tobytes(), dtype=np.uint32).tolist()
        drawn = generator(0, *bits).binomial(ITEMS, self.accuracy(numbers))
        return float(drawn) / ITEMS


def landscapes(seed: int) -> list[Landscape]:
    """All of them, their optima drawn anew for every seed."""
    made = [_weights(groups, seed) for groups in (1, 4, 16)]
    return [*made, _plateau(4, seed), _densities(4, seed), _path(24, seed), _mixed(seed)]


def _weights(groups: int, seed: int) -> Landscape:
    """Two parents by layer groups. Few directions matter: the parents' totals, and with half of
    that weight every fourth group alone."""
    rng = generator(seed, groups)
    best = 1.0 + 0.3 * rng.standard_normal(2 * groups)

    def accuracy(genome: np.ndarray) -> float:
        off = (genome - best).reshape(2, groups)
        total = off.mean(axis=1)
        distance = float(total @ total) + 0.5 * float(np.square(off[:, ::4]).mean())
        return 0.1 + 0.5 * math.exp(-2 * distance)

    return Landscape(f"weights, {2 * groups} genes", _weight_genes(2 * groups), accuracy)


def _plateau(groups: int, seed: int) -> Landscape:
    """As weights, but nothing is solved beyond a distance: most of the space is at zero."""
    inner = _weights(groups, seed)

    def accuracy(genome: np.ndarray) -> float:
        return max(0.0, 1.5 * (inner.accuracy(genome) - 0.4))

    return Landscape(f"plateau, {2 * groups} genes", inner.genes, accuracy)


def _densities(groups: int, seed: int) -> Landscape:
    """Weights and densities; keeping everything is best for one parent, a third for the other."""
    inner = _weights(groups, seed)
    genes = tuple(Gene(f"density[{i}]", 0.05, 1.0, 0.5) for i in range(2 * groups))

    def accuracy(genome: np.ndarray) -> float:
        kept = genome[2 * groups :].reshape(2, groups)
        loss = float(np.square(kept[0] - 1).mean() + np.square(kept[1] - 0.33).mean())
        return inner.accuracy(genome[: 2 * groups]) * math.exp(-loss)

    return Landscape(f"densities, {4 * groups} genes", inner.genes + genes, accuracy)


def _path(slots: int, seed: int) -> Landscape:
    """Switches of a path: half keep the first parent's blocks, the others may take blocks in.

    Leaving a block out costs much; a few blocks help when taken in, most harm.
    """
    rng = generator(seed, slots)
    half = slots // 2
    effects = np.where(rng.random(slots) < 0.25, 0.6, -0.5)
    effects[:half] = 1.0

    def accuracy(genome: np.ndarray) -> float:
        used = genome > 0
        gain = float(effects[half:] @ used[half:]) - float((~used[:half]).sum())
        return 0.9 / (1 + math.exp(1.5 - gain))

    genes = tuple(
        Gene(f"use[{i}]", -1.0, 1.0, ON if i < half else OFF, edges=(0.0,)) for i in range(slots)
    )
    return Landscape(f"switches, {slots} genes", genes, accuracy)


def _mixed(seed: int) -> Landscape:
    """Weights, with a rule among four, a switch and a whole number that set how well they do."""
    inner = _weights(2, seed)
    rng = generator(seed, 1)
    rule, flag, count = int(rng.integers(4)), int(rng.integers(2)), int(rng.integers(12))
    extra = (
        Gene("rule", 0.0, 4.0, 2.0, edges=(1.0, 2.0, 3.0), ordered=False),
        Gene("flag", 0.0, 2.0, 1.0, edges=(1.0,), ordered=False),
        Gene("count", 0.0, 11.0, 5.5, edges=tuple(i + 0.5 for i in range(11))),
    )

    def accuracy(genome: np.ndarray) -> float:
        chosen = [gene.level(float(x)) for gene, x in zip(extra, genome[4:], strict=True)]
        factor = (1.0 if chosen[0] == rule else 0.7) * (1.0 if chosen[1] == flag else 0.85)
        return inner.accuracy(genome[:4]) * factor * math.exp(-0.03 * abs(chosen[2] - count))

    return Landscape("mixed, 7 genes", inner.genes + extra, accuracy)


def _weight_genes(count: int) -> tuple[Gene, ...]:
    return tuple(Gene(f"weight[{i}]", -0.5, 2.0, 0.5) for i in range(count))


def best_seen(landscape: Landscape, genomes: Sequence[Genome], scores: Sequence[float]) -> float:
    """The true accuracy of the genome with the best score, the first of equals."""
    place = max(range(len(scores)), key=lambda i: (scores[i], -i))
    return landscape.accuracy(np.array(genomes[place]))
