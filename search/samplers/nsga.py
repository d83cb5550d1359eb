"""Genetic algorithms for several objectives by Optuna.

NSGA-II: Deb et al., "A fast and elitist multiobjective genetic algorithm", 2002. NSGA-III: Deb and
Jain, "An evolutionary many-objective optimization algorithm using reference-point-based
nondominated sorting approach", 2014.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from optuna.samplers import BaseGASampler, NSGAIIISampler, NSGAIISampler

from search.gene import Gene
from search.samplers.study import StudyStrategy


def genetic(
    sampler: type[NSGAIISampler | NSGAIIISampler],
    genes: Sequence[Gene],
    seed: int,
    *,
    population: int,
    objectives: int,
) -> StudyStrategy:
    """A population that is bred from the best of all before; the first is uniform.

    Of trials that no other dominates, NSGA-II keeps those with the most room about them, and
    NSGA-III those nearest to reference directions that spread over all objectives.
    """

    def make(seed: int) -> BaseGASampler:
        return sampler(seed=seed, population_size=population)

    return StudyStrategy(genes, seed, make, batch=population, startup=0, objectives=objectives)


nsga2 = partial(genetic, NSGAIISampler)
nsga3 = partial(genetic, NSGAIIISampler)
