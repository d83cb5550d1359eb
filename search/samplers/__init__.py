"""Samplers: what to try next."""

from __future__ import annotations

from collections.abc import Sequence

from search.gene import Gene
from search.samplers.base import Genome, Outcome, Sampler
from search.samplers.cmaes import cmaes_sampler
from search.samplers.random import random_sampler
from search.samplers.tpe import tpe_sampler
from search.spec import CmaesSettings, RandomSettings, SamplerSettings, TpeSettings

__all__ = ["Genome", "Outcome", "Sampler", "make_sampler"]


def make_sampler(
    settings: SamplerSettings, genes: Sequence[Gene], seed: int, first_number: int = 0
) -> Sampler:
    """The sampler of a stage.

    `genes` are its space's, `seed` is the job's, and `first_number` is the number of the stage's
    first trial, from which every random number is derived along with the seed.
    """
    if not genes:
        # One candidate, and nothing to learn from it.
        return random_sampler(genes, seed, batch=1, first_number=first_number)
    match settings:
        case CmaesSettings():
            return cmaes_sampler(
                genes,
                seed,
                population=settings.population,
                sigma=settings.sigma,
                first_number=first_number,
            )
        case TpeSettings():
            return tpe_sampler(
                genes,
                seed,
                batch=settings.batch,
                startup=settings.startup,
                first_number=first_number,
            )
        case RandomSettings():
            return random_sampler(genes, seed, batch=settings.batch, first_number=first_number)
