"""Samplers: what to try next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from search.errors import SamplerError
from search.gene import Gene
from search.sampler_spec import STEADY, SamplerSettings
from search.samplers.base import Genome, Outcome, Sampler
from search.samplers.cmaes import Evolution
from search.samplers.generations import GenerationSampler, Strategy
from search.samplers.gp import Gaussian
from search.samplers.nsga import nsga2, nsga3
from search.samplers.optuna_cmaes import MarginEvolution
from search.samplers.qmc import Sobol
from search.samplers.random import Uniform
from search.samplers.steady import SteadySampler
from search.samplers.tpe import parzen

__all__ = ["SINGLE", "STEADY", "Genome", "Outcome", "Sampler", "make_sampler"]

STRATEGIES: Mapping[str, Callable[..., Strategy]] = {
    "cmaes": Evolution,
    "optuna_cmaes": MarginEvolution,
    "tpe": parzen,
    "gp": Gaussian,
    "nsga2": nsga2,
    "nsga3": nsga3,
    "qmc": Sobol,
    "random": Uniform,
}
"""What makes a strategy, by kind: it takes genes, the seed and the kind's settings by name."""

SINGLE = ("cmaes", "optuna_cmaes")
"""Kinds that take one objective; the others take any number."""
LEARNING_SEVERAL = ("tpe", "gp", "nsga2", "nsga3")
"""Kinds whose strategy has to be told the number of objectives."""


def make_sampler(
    settings: SamplerSettings,
    genes: Sequence[Gene],
    seed: int,
    first_number: int = 0,
    *,
    objectives: int = 1,
    seeds: Sequence[Genome] = (),
    steady: bool = False,
) -> Sampler:
    """The sampler of a stage.

    `genes` are its space's, `seed` is the job's, and `first_number` is the number of the stage's
    first trial, from which every random number is derived along with the seed. The stage's first
    trials are the genomes in `seeds`. In `steady` state it does without generations. Raises
    SamplerError for several objectives where the kind takes one, for a kind that has no steady
    state, and for a seed that is no genome of these genes.
    """
    if objectives > 1 and settings.kind in SINGLE:
        message = f"the sampler {settings.kind!r} takes one objective, not {objectives}"
        raise SamplerError(message)
    if steady and settings.kind not in STEADY:
        message = f"the sampler {settings.kind!r} needs generations; steady are {', '.join(STEADY)}"
        raise SamplerError(message)
    strategy = _strategy(settings, genes, seed, objectives)
    make = SteadySampler if steady else GenerationSampler
    return make(strategy, genes, first_number, objectives=objectives, seeds=seeds)


def _strategy(
    settings: SamplerSettings, genes: Sequence[Gene], seed: int, objectives: int
) -> Strategy:
    if not genes:
        # One candidate, and nothing to learn from it.
        return Uniform(genes, seed, batch=1)
    given = settings.model_dump(exclude={"kind"})
    if settings.kind in LEARNING_SEVERAL:
        given["objectives"] = objectives
    return STRATEGIES[settings.kind](genes, seed, **given)
