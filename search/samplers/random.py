"""Uniform draws: the yardstick that every other sampler has to beat."""

from __future__ import annotations

from collections.abc import Sequence

from search.gene import Gene
from search.samplers.generations import GenerationSampler, Trial
from search.samplers.seeding import generator


def random_sampler(
    genes: Sequence[Gene], seed: int, *, batch: int, first_number: int = 0
) -> GenerationSampler:
    """A sampler that draws every gene uniformly between its bounds."""
    return GenerationSampler(_Uniform(genes, seed), genes, batch, first_number)


def uniform_genome(genes: Sequence[Gene], seed: int, number: int) -> list[float]:
    """The uniform genome of a trial."""
    shares = generator(seed, number).random(len(genes)).tolist()
    return [
        gene.low + (gene.high - gene.low) * share for gene, share in zip(genes, shares, strict=True)
    ]


class _Uniform:
    def __init__(self, genes: Sequence[Gene], seed: int) -> None:
        self._genes = genes
        self._seed = seed

    def propose(self, first: int, n: int) -> list[list[float]]:
        return [uniform_genome(self._genes, self._seed, first + i) for i in range(n)]

    def learn(self, trials: Sequence[Trial]) -> None:
        """Nothing: a draw owes nothing to those before it."""
