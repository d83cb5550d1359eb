"""Fair shares: by time and weight, whatever the pieces cost, and nobody waits for ever."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.controller.sharing import FairShare

_Jobs = st.lists(st.tuples(st.integers(1, 100), st.floats(0.01, 10.0)), min_size=2, max_size=6)


def _run(
    shares: FairShare, jobs: dict[str, float], seconds: float, workers: int
) -> dict[str, float]:
    """Let workers do pieces of so many seconds by job; gives the seconds that each job used."""
    used = dict.fromkeys(jobs, 0.0)
    free_at = [0.0] * workers
    running: list[tuple[float, str]] = []
    while (now := min(free_at)) < seconds:
        for ended in sorted(piece for piece in running if piece[0] <= now):
            shares.ended(ended[1], jobs[ended[1]])
            running.remove(ended)
        job = shares.order()[0]
        shares.begun(job)
        used[job] += jobs[job]
        free_at[free_at.index(now)] = now + jobs[job]
        running.append((now + jobs[job], job))
    return used


@given(_Jobs, st.integers(1, 4))
@settings(deadline=None)
def test_time_goes_by_weight(drawn: list[tuple[int, float]], workers: int) -> None:
    weights = {f"job {number}": float(weight) for number, (weight, _) in enumerate(drawn)}
    pieces = {f"job {number}": seconds for number, (_, seconds) in enumerate(drawn)}
    shares = FairShare()
    for job, weight in weights.items():
        shares.join(job, weight)
    seconds = 400 * max(pieces.values()) * len(pieces)
    used = _run(shares, pieces, seconds, workers)
    # Each may be ahead of its share by what is on its way, and behind by what of the others is.
    slack = (workers + 1) * (sum(pieces.values()) + 1.0)
    for job, weight in weights.items():
        due = seconds * workers * weight / sum(weights.values())
        assert used[job] == pytest.approx(due, abs=slack + max(pieces.values()) * workers)


def test_one_that_joins_late_neither_waits_nor_makes_up() -> None:
    shares = FairShare()
    shares.join("early", 1)
    _run(shares, {"early": 1.0}, 1000, 1)
    shares.join("late", 1)
    used = _run(shares, {"early": 1.0, "late": 1.0}, 100, 1)
    assert used["late"] == pytest.approx(50, abs=2)


def test_pieces_that_take_no_time_are_shared_too() -> None:
    shares = FairShare()
    counts = dict.fromkeys("abc", 0)
    for job in counts:
        shares.join(job, 1)
    for _ in range(300):
        job = shares.order()[0]
        counts[job] += 1
        shares.begun(job)
        shares.ended(job, 0.0)
    assert set(counts.values()) == {100}


def test_another_weight_counts_from_then_on() -> None:
    shares = FairShare()
    jobs = {"a": 1.0, "b": 1.0}
    for job in jobs:
        shares.join(job, 10)
    _run(shares, jobs, 100, 1)
    shares.join("a", 30)
    used = _run(shares, jobs, 400, 1)
    assert used["a"] == pytest.approx(300, abs=3)
    shares.leave("a")
    assert shares.order() == ["b"]
