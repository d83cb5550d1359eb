"""The spec of a sampler: which one, and its settings. docs/search.md says when to use which."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class CmaesSettings(_Settings):
    """CMA-ES. `population` is 4 + floor(3 ln n) for n genes unless given.

    `sigma` is the first standard deviation of a gene, in the gene's own unit; of a gene whose
    range is narrower than 1 it is that fraction of the range. 1/6 is Sakana AI's choice.
    """

    kind: Literal["cmaes"]
    population: int | None = Field(default=None, ge=3, le=1000)
    sigma: float = Field(default=1 / 6, gt=0, le=10)


class TpeSettings(_Settings):
    """Multivariate TPE; the first `startup` trials are uniform draws."""

    kind: Literal["tpe"]
    batch: int = Field(default=10, ge=1, le=1000)
    startup: int = Field(default=20, ge=1, le=10_000)


class RandomSettings(_Settings):
    """Uniform draws."""

    kind: Literal["random"]
    batch: int = Field(default=10, ge=1, le=1000)


SamplerSettings = Annotated[
    CmaesSettings | TpeSettings | RandomSettings, Field(discriminator="kind")
]
