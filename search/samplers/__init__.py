"""Samplers: what to try next."""

from __future__ import annotations

from collections.abc import Sequence

from search.errors import SamplerError
from search.gene import Gene
from search.sampler_spec import (
    CmaesSettings,
    RandomSettings,
    SamplerSettings,
    TpeSettings,
)
from search.samplers.base import Genome, Outcome, Sampler
from search.samplers.cmaes import Evolution
from search.samplers.generations import GenerationSampler, Strategy
from search.samplers.random import Uniform
from search.samplers.tpe import Parzen

__all__ = ["Genome", "Outcome", "Sampler", "make_sampler"]

SINGLE = ("cmaes",)
"""Kinds that take one objective; the others take any number."""


def make_sampler(
    settings: SamplerSettings,
    genes: Sequence[Gene],
    seed: int,
    first_number: int = 0,
    *,
    objectives: int = 1,
    seeds: Sequence[Genome] = (),
) -> Sampler:
    """The sampler of a stage.

    `genes` are its space's, `seed` is the job's, and `first_number` is the number of the stage's
    first trial, from which every random number is derived along with the seed. The stage's first
    trials are the genomes in `seeds`. Raises SamplerError for several objectives where the kind
    takes one, and for a seed that is no genome of these genes.
    """
    if objectives > 1 and settings.kind in SINGLE:
        message = f"the sampler {settings.kind!r} takes one objective, not {objectives}"
        raise SamplerError(message)
    strategy = _strategy(settings, genes, seed)
    return GenerationSampler(strategy, genes, first_number, objectives=objectives, seeds=seeds)


def _strategy(settings: SamplerSettings, genes: Sequence[Gene], seed: int) -> Strategy:
    if not genes:
        # One candidate, and nothing to learn from it.
        return Uniform(genes, seed, batch=1)
    match settings:
        case CmaesSettings():
            return Evolution(genes, seed, population=settings.population, sigma=settings.sigma)
        case TpeSettings():
            return Parzen(genes, seed, batch=settings.batch, startup=settings.startup)
        case RandomSettings():
            return Uniform(genes, seed, batch=settings.batch)
