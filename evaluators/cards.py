"""What is told of a task without loading it: plain data for forms, checks and messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evaluators.task import Split

EXACT_MATCH = "exact_match"
TARGET_BITS_PER_CHAR = "target_bits_per_char"
"""For tasks whose items all have a worked solution."""


@dataclass(frozen=True)
class TaskCard:
    """What a task is. `splits` counts items, and is None where only loading the data would tell."""

    name: str
    summary: str
    languages: tuple[str, ...]
    licence: str
    splits: Mapping[Split, int] | None
    metrics: tuple[str, ...]
