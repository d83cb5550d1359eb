"""Which split an item belongs to, told by its id alone.

A hash decides, so that an item never changes sides when others are added: about two fifths go to
search, one fifth to select and two fifths to holdout.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from evaluators.task import SPLITS, Split

# Cumulated shares, in percent.
SHARES: tuple[tuple[int, Split], ...] = ((40, "search"), (60, "select"), (100, "holdout"))


def split_of(item_id: str, shares: tuple[tuple[int, Split], ...] = SHARES) -> Split:
    """The split of an item; `shares` are cumulated percentages that end at 100."""
    return next(split for limit, split in shares if _place(item_id) % 100 < limit)


def partition(item_ids: Iterable[str], *, fill_search: bool = True) -> dict[Split, list[str]]:
    """Ids by split, in their order.

    Where no id falls into search, the one with the smallest hash does, unless told otherwise: a
    task cannot be searched on without an item.
    """
    ids = list(item_ids)
    parts: dict[Split, list[str]] = {split: [] for split in SPLITS}
    for item_id in ids:
        parts[split_of(item_id)].append(item_id)
    if fill_search and ids and not parts["search"]:
        moved = min(ids, key=_place)
        parts = {split: [i for i in part if i != moved] for split, part in parts.items()}
        parts["search"] = [moved]
    return parts


def _place(item_id: str) -> int:
    return int.from_bytes(hashlib.blake2b(item_id.encode(), digest_size=8).digest())
