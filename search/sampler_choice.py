"""Which sampler a stage has when its spec names none. docs/search.md has the measurements."""

from __future__ import annotations

from collections.abc import Sequence

from search.gene import Gene
from search.sampler_spec import (
    CmaesSettings,
    Nsga2Settings,
    Nsga3Settings,
    SamplerSettings,
    TpeSettings,
)
from search.spec import Stage

FEW_TRIALS = 60
"""Up to which CMA-ES has seen too few populations to have learnt much."""
MANY_OBJECTIVES = 4
"""From which on hardly any trial dominates another, and reference directions are needed."""


def chosen_sampler(stage: Stage, genes: Sequence[Gene], objectives: int = 1) -> SamplerSettings:
    """The stage's own sampler, or the default for its genes, its budget and the objectives."""
    steady = stage.mode == "steady"
    return stage.sampler or default_sampler(genes, stage.budget.trials, objectives, steady=steady)


def default_sampler(
    genes: Sequence[Gene], trials: int | None, objectives: int = 1, *, steady: bool = False
) -> SamplerSettings:
    """The sampler for a space of these genes, a budget of trials and a number of objectives.

    For few trials TPE, unless most genes are switches or choices: CMA-ES begins from where they
    start, which is near a parent, and TPE anywhere. CMA-ES has no steady state.
    """
    if objectives >= MANY_OBJECTIVES:
        return Nsga3Settings(kind="nsga3")
    levels = sum(bool(gene.edges) for gene in genes)
    if trials is not None and trials <= FEW_TRIALS and (objectives > 1 or 2 * levels <= len(genes)):
        return TpeSettings(kind="tpe")
    generic = objectives > 1 or steady
    return Nsga2Settings(kind="nsga2") if generic else CmaesSettings(kind="cmaes", sigma=0.3)
