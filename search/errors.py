"""Errors of the search room.

SearchError
├── SpecError       a search spec is wrong; every field at fault is named
├── SpaceError      a genome or a stage does not fit its search space
├── SamplerError    a sampler was used against its contract
└── FitnessError    scores from which no fitness follows
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FieldError:
    """One field that is wrong: its path in the document, such as `stages.0.space.base`, and why.

    `field` is empty when the document as a whole is at fault.
    """

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class SearchError(Exception):
    """Base of everything this room raises on purpose."""


class SpecError(SearchError):
    """A search spec is wrong. `errors` holds every field at fault, the first one included."""

    def __init__(self, field: str, message: str, others: Sequence[FieldError] = ()) -> None:
        # All of it goes to `args`, so that the error survives pickling between processes.
        super().__init__(field, message, tuple(others))
        self.field = field
        self.message = message
        self.errors: tuple[FieldError, ...] = (FieldError(field, message), *others)

    @classmethod
    def of(cls, errors: Sequence[FieldError]) -> SpecError:
        """One error that carries all of `errors`, of which there is at least one."""
        first, *others = errors
        return cls(first.field, first.message, others)

    def __str__(self) -> str:
        return "; ".join(str(error) for error in self.errors)


class SpaceError(SearchError):
    """A genome has the wrong length, or a stage asks for what its models do not have."""


class SamplerError(SearchError):
    """A trial was told twice, told without being asked for, or asked for too early."""


class FitnessError(SearchError):
    """A task has no score, a score is not a number, or a weight is missing."""
