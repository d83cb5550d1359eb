"""The spec of a sampler: which one, and its settings. docs/search.md says when to use which."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

Batch = Annotated[int, Field(ge=1, le=1000)]
Startup = Annotated[int, Field(ge=1, le=10_000)]
EvolutionPopulation = Annotated[int, Field(ge=3, le=1000)]
Sigma = Annotated[float, Field(gt=0, le=10)]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class CmaesSettings(_Settings):
    """CMA-ES by pycma. `population` is 4 + floor(3 ln n) for n genes unless given.

    `sigma` is the first standard deviation of a gene, in the gene's own unit; of a gene whose
    range is narrower than 1, or that has more than two levels, it is that fraction of the range.
    1/6 is Sakana AI's choice.

    `covariance`: `full` learns how all genes depend on one another, `separable` only their scales,
    and `diagonal_decoding` both, the scales faster. Unless given it is `full` up to 200 genes and
    `separable` above.

    `restarts` begin anew from a uniform draw when the search has come to a halt: `ipop` with twice
    the population, `bipop` in turn with a larger one or with a small one and small steps.

    `learning_rate` below 1 shortens every step of the distribution, which averages over more
    generations where scores are noisy.
    """

    kind: Literal["cmaes"]
    population: EvolutionPopulation | None = None
    sigma: Sigma = 1 / 6
    covariance: Literal["full", "separable", "diagonal_decoding"] | None = None
    restarts: Literal["none", "ipop", "bipop"] = "none"
    learning_rate: float = Field(default=1.0, gt=0, le=1)


class OptunaCmaesSettings(_Settings):
    """CMA-ES by the library behind Optuna's, in which every gene's range is the unit of `sigma`.

    With a margin, levels of switches, choices and whole numbers never die out. `lr_adapt` adapts
    the learning rates to noise and many optima; it takes neither a margin nor `separable`.
    """

    kind: Literal["optuna_cmaes"]
    population: EvolutionPopulation | None = None
    sigma: Sigma = 1 / 6
    separable: bool = False
    lr_adapt: bool = False

    @field_validator("lr_adapt")
    @classmethod
    def _one_of_two(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("separable"):
            raise ValueError("is for the full covariance: leave it, or separable, out")
        return value


class TpeSettings(_Settings):
    """Multivariate TPE by Optuna; the first `startup` trials are uniform draws."""

    kind: Literal["tpe"]
    batch: Batch = 10
    startup: Startup = 20


class GpSettings(_Settings):
    """Bayesian optimisation with a Gaussian process by Optuna; the first `startup` trials are
    uniform draws."""

    kind: Literal["gp"]
    batch: Batch = 10
    startup: Startup = 20


class Nsga2Settings(_Settings):
    """NSGA-II by Optuna: a genetic algorithm for two or three objectives."""

    kind: Literal["nsga2"]
    population: int = Field(default=20, ge=2, le=1000)


class Nsga3Settings(_Settings):
    """NSGA-III by Optuna: a genetic algorithm for three objectives and more."""

    kind: Literal["nsga3"]
    population: int = Field(default=20, ge=2, le=1000)


class QmcSettings(_Settings):
    """A scrambled Sobol sequence by Optuna: draws that fill the space evenly."""

    kind: Literal["qmc"]
    batch: Batch = 10


class RandomSettings(_Settings):
    """Uniform draws."""

    kind: Literal["random"]
    batch: Batch = 10


SamplerSettings = Annotated[
    CmaesSettings
    | OptunaCmaesSettings
    | TpeSettings
    | GpSettings
    | Nsga2Settings
    | Nsga3Settings
    | QmcSettings
    | RandomSettings,
    Field(discriminator="kind"),
]

STEADY = ("random", "qmc", "tpe", "nsga2", "nsga3")
"""Kinds that can do without generations.

Evolution strategies compare the members of a population drawn from one distribution. A Gaussian
process would draw the same point for all who ask while nothing new is told. NSGA breeds from the
last population that is complete, and TPE draws from all that is told, both by random numbers of
each trial's own.
"""
