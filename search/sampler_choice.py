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

FEW_TRIALS = 100
"""Up to which CMA-ES has seen too few populations to have learnt much."""
MANY_OBJECTIVES = 4
"""From which on hardly any trial dominates another, and reference directions are needed."""


def chosen_sampler(stage: Stage, genes: Sequence[Gene], objectives: int = 1) -> SamplerSettings:
    """The stage's own sampler, or the default for its genes, its budget and the objectives."""
    return stage.sampler or default_sampler(len(genes), stage.budget.trials, objectives)


def default_sampler(genes: int, trials: int, objectives: int = 1) -> SamplerSettings:
    """The sampler for so many genes, a budget of trials and a number of objectives."""
    if objectives >= MANY_OBJECTIVES:
        return Nsga3Settings(kind="nsga3")
    if objectives > 1:
        return TpeSettings(kind="tpe") if trials <= FEW_TRIALS else Nsga2Settings(kind="nsga2")
    return TpeSettings(kind="tpe") if trials <= FEW_TRIALS else CmaesSettings(kind="cmaes")
