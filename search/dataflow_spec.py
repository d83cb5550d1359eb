"""The spec of a data-flow space: whose blocks a path may visit, and how its genes are bounded."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from search.parameter_spec import GeneRange


class DataFlowSpaceSpec(BaseModel):
    """Paths through the blocks of several models (Akiba et al., arXiv 2403.13187, section 3.2).

    The pool of blocks, those of the first parent and then of the others, is laid out `repeats`
    times; a path visits the slots that are switched on, in order, between the first parent's first
    and last block. `scales` gives every slot a factor on the residual stream as it enters.
    `max_length` caps the path, by default at one and a half times the first parent's depth.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Literal["dataflow"]
    parents: tuple[str, ...] = Field(min_length=1, max_length=32)
    repeats: int = Field(default=2, ge=1, le=16)
    scales: bool = True
    scale: GeneRange = GeneRange(low=0.5, high=1.5, initial=1.0)
    max_length: int | None = Field(default=None, ge=2, le=1024)
