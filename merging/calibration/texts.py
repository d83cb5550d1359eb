"""The texts that models are watched on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Text:
    """Token ids, and how many of them, at least 1, are read before the first prediction counts.

    What the model predicts after each token from there on counts, the last token included.
    """

    tokens: tuple[int, ...]
    read: int = 1

    @property
    def predictions(self) -> int:
        """How many predictions count."""
        return len(self.tokens) - self.read + 1


def token_batches(texts: Sequence[Text], size: int = 32) -> list[list[tuple[int, ...]]]:
    """The texts' tokens, up to `size` texts at a time."""
    rows = [text.tokens for text in texts]
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def texts_digest(texts: Sequence[Text]) -> str:
    """SHA-256 over the texts in their order."""
    plain = [[text.read, *text.tokens] for text in texts]
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()
