"""The spec of a data-flow space: whose blocks a path may visit, and how its genes are bounded."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from search.parameter_spec import GeneRange

ScaleKind = Literal["none", "hop", "pair", "network"]


def _named(value: object) -> object:
    # `true` and `false` are older words for two of the kinds.
    return {True: "hop", False: "none"}[value] if isinstance(value, bool) else value


class DataFlowSpaceSpec(BaseModel):
    """Paths through the blocks of several models (Akiba et al., arXiv 2403.13187, section 3.2).

    The pool of blocks, those of the first parent and then of the others, is laid out `repeats`
    times; a path visits the slots that are switched on, in order, between the first parent's first
    and last block. `initial_on` and `initial_off` are where the switches start, of the first
    parent's slots in the first repetition and of all others; a slot is on above 0.

    `scales`: a factor on the residual stream as it enters a hop. "hop": one for every slot. "pair":
    one for every pair of blocks, the one before and the one entered (the published matrix W = 1 +
    V). "network": a small network's answer to both blocks and the step, whose weights are the
    genes. `scale` bounds the factors. `max_length` caps the path, by default at one and a half
    times the first parent's depth.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["dataflow"]
    parents: tuple[str, ...] = Field(min_length=1, max_length=32)
    repeats: int = Field(default=3, ge=1, le=16)
    initial_on: float = Field(default=1 / 3, gt=0, le=1)
    initial_off: float = Field(default=-1 / 6, ge=-1, le=0)
    scales: Annotated[ScaleKind, BeforeValidator(_named)] = "hop"
    scale: GeneRange = GeneRange(low=0.5, high=1.5, initial=1.0)
    max_length: int | None = Field(default=None, ge=2, le=1024)
