"""Which items a score is over, as a digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from evaluators.task import Item


def items_digest(items: Iterable[Item]) -> str:
    """SHA-256 of what the items ask and what they take for an answer, in their order."""
    text = json.dumps([[item.id, item.prompt, item.reference] for item in items])
    return hashlib.sha256(text.encode()).hexdigest()
