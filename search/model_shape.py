"""What a search needs to know of a model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelShape:
    """A model's blocks, and whether its output embedding is its input embedding."""

    num_layers: int
    tied_embeddings: bool
