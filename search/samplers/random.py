"""Uniform draws: the yardstick that every other sampler has to beat."""

from __future__ import annotations

from collections.abc import Sequence

from search.gene import Gene
from search.samplers.generations import Trial
from search.samplers.seeding import generator


class Uniform:
    """Draws every gene uniformly between its bounds, for any number of objectives."""

    def __init__(self, genes: Sequence[Gene], seed: int, *, batch: int) -> None:
        self._genes = genes
        self._seed = seed
        self.batch = batch

    def propose(self, first: int, n: int) -> list[list[float]]:
        return [uniform_genome(self._genes, self._seed, first + i) for i in range(n)]

    def learn(self, trials: Sequence[Trial]) -> None:
        """Nothing: a draw owes nothing to those before it."""


def uniform_genome(genes: Sequence[Gene], seed: int, number: int) -> list[float]:
    """The uniform genome of a trial."""
    shares = generator(seed, number).random(len(genes)).tolist()
    return [
        gene.low + (gene.high - gene.low) * share for gene, share in zip(genes, shares, strict=True)
    ]
