from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from service.turns import Turns
from tests.waiting import until


def test_who_has_waited_longest_goes_next() -> None:
    turns = Turns()
    order: list[str] = []

    def take(name: str) -> None:
        with turns.taken(30):
            order.append(name)

    with ThreadPoolExecutor(3) as pool:
        with turns.taken(30):
            for ahead, name in enumerate("abc", start=1):
                pool.submit(take, name)
                until(lambda ahead=ahead: len(turns) > ahead)  # type: ignore[misc]
            order.append("holder")
        take("came last")
    assert order == ["holder", "a", "b", "c", "came last"]


def test_who_has_no_patience_leaves_the_queue() -> None:
    turns = Turns()
    with turns.taken(30), ThreadPoolExecutor(1) as pool:
        with pytest.raises(TimeoutError, match=r"waited 0\.01 s for other writers"):
            pool.submit(lambda: turns.taken(0.01).__enter__()).result()
        assert len(turns) == 1
    assert len(turns) == 0
