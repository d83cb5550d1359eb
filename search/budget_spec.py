"""What a stage may spend, as a user says it."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

TRIALS_LIMIT = 1_000_000


class Budget(BaseModel):
    """Limits of a stage; it ends with the generation in which the first of them is reached.

    `items` are benchmark items scored and `tokens` tokens generated for its trials; `seconds` is
    the time that its generations took, from the commit of each to its last score. `patience` ends
    the stage early: when so many trials have ended since the best fitness last rose by more than
    `min_improvement`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    trials: int | None = Field(default=None, ge=1, le=TRIALS_LIMIT)
    items: int | None = Field(default=None, ge=1, lt=2**53)
    tokens: int | None = Field(default=None, ge=1, lt=2**53)
    seconds: float | None = Field(default=None, gt=0)
    patience: int | None = Field(default=None, ge=1, le=TRIALS_LIMIT)
    min_improvement: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _limited(self) -> Self:
        if all(limit is None for limit in (self.trials, self.items, self.tokens, self.seconds)):
            raise ValueError("give a limit: trials, items, tokens or seconds")
        return self
