"""How much of the search split a candidate is scored on, as a user asks for it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class FullAllocation(BaseModel):
    """Every candidate is scored on every item.

    With `block`, its items are cut into blocks of so many, which several workers score at the same
    time; None scores it all at once. By default that is decided when a job is submitted, from the
    population and the workers that there are, and written into the job's spec.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["full"] = "full"
    block: Annotated[int, Field(ge=1, le=100_000)] | Literal["auto"] | None = "auto"


class RacingAllocation(BaseModel):
    """A candidate is scored block after block, and stopped once it is unlikely to be good enough.

    `first` items are scored before the first decision, and between two decisions `block` items, or
    an eighth of those scored before if that is more. A candidate stops when its predicted chance of
    reaching the worst of the `elite` best trials of its stage's earlier generations is below
    `error`. Seeds that are parents count from the start.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["racing"]
    first: int = Field(default=16, ge=1, le=100_000)
    block: int = Field(default=8, ge=1, le=100_000)
    error: float = Field(default=0.05, gt=0, lt=0.5)
    elite: int = Field(default=1, ge=1, le=1000)


Estimator = Literal["mean", "weighted", "mp_irt", "gmp_irt"]


class AnchorsAllocation(BaseModel):
    """A candidate is scored on `n` anchors of each task alone; its fitness is an estimate.

    A stage's generations are scored whole until `calibration` distinct children are, from which the
    item model, the anchors and the trust in the model are found. `choice` says how anchors are
    chosen, `estimator` what is made of their scores; `delta` is how far `gmp_irt` trusts the scores
    themselves, found by itself unless given. At the end the best trials, a fraction `elite` of all,
    and at least as many as there are finalists, are scored whole.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["anchors"]
    n: int = Field(default=50, ge=1, le=100_000)
    choice: Literal["kmeans", "random"] = "kmeans"
    estimator: Estimator = "gmp_irt"
    delta: float | None = Field(default=None, ge=0, le=1)
    calibration: int = Field(default=30, ge=5, le=10_000)
    elite: float = Field(default=0.05, gt=0, le=1)

    @model_validator(mode="after")
    def _delta_is_used(self) -> AnchorsAllocation:
        if self.delta is not None and self.estimator != "gmp_irt":
            raise ValueError(f"delta is for gmp_irt alone, and the estimator is {self.estimator}")
        return self


Allocation = Annotated[
    FullAllocation | RacingAllocation | AnchorsAllocation, Field(discriminator="kind")
]
