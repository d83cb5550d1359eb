"""How much of the search split a candidate is scored on, as a user asks for it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class FullAllocation(BaseModel):
    """Every candidate is scored on every item."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["full"] = "full"


class RacingAllocation(BaseModel):
    """A candidate is scored block after block, and stopped once it is unlikely to be good enough.

    `first` items are scored before the first decision, and `block` items between two decisions. A
    candidate stops when its predicted chance of reaching the worst of the `elite` best trials of
    its stage's earlier generations is below `error`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["racing"]
    first: int = Field(default=32, ge=1, le=100_000)
    block: int = Field(default=8, ge=1, le=100_000)
    error: float = Field(default=0.05, gt=0, lt=0.5)
    elite: int = Field(default=1, ge=1, le=1000)


Allocation = Annotated[FullAllocation | RacingAllocation, Field(discriminator="kind")]
