"""Errors of the merging room.

MergingError
├── RecipeError        a recipe asks for what cannot be done; `field` says where
├── CheckpointError    a folder is no checkpoint that can be read, or written
├── CalibrationError   statistics that a recipe needs cannot be computed, or are not there
└── NonFiniteError     a merge came out as NaN or infinity; the tensor is named
"""


class MergingError(Exception):
    """Base of everything this room raises on purpose."""


class RecipeError(MergingError):
    """One field of a recipe is wrong; written as `field: message`."""

    def __init__(self, field: str, message: str) -> None:
        # Both go to `args`, so that the error survives pickling between processes.
        super().__init__(field, message)
        self.field = field
        self.message = message

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class CheckpointError(MergingError):
    """A model folder cannot be read as, or written as, a safetensors checkpoint."""


class CalibrationError(MergingError):
    """What a data-driven method needs to know of its models cannot be computed, or is missing."""


class NonFiniteError(MergingError):
    """A merged tensor holds NaN or infinity."""
