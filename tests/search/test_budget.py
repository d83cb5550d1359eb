"""What ends a stage, from nothing but the log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from search.budget import IDLE, Meter
from search.budget_spec import Budget
from search.errors import SpecError
from search.spec import SearchSpec
from tests.search.specs import spec_data

_BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class _Trial:
    fitness: float | None = 0.5
    censored: bool = False
    n: int = 10
    tokens: int = 100
    same_as: int | None = None
    created_at: datetime = _BEGUN
    finished_at: datetime | None = _BEGUN + timedelta(seconds=2)


def _meter(generations: list[list[_Trial]], **budget: Any) -> Meter:
    meter = Meter(Budget(**budget))
    for generation in generations:
        meter.add(generation)
    return meter


@pytest.mark.parametrize(
    ("budget", "generations", "limit"),
    [
        ({"trials": 4}, 2, "trials"),
        ({"trials": 5}, 2, None),
        ({"items": 40}, 2, "items"),
        ({"items": 41}, 2, None),
        ({"tokens": 400, "trials": 9}, 2, "tokens"),
        ({"seconds": 4.0}, 2, "seconds"),
        ({"seconds": 4.5}, 2, None),
        ({"trials": 4, "items": 1}, 2, "trials"),
    ],
)
def test_the_first_limit_reached_ends_the_stage(
    budget: dict[str, Any], generations: int, limit: str | None
) -> None:
    begun = [_BEGUN + timedelta(seconds=10 * number) for number in range(generations)]
    log = [[_Trial(created_at=at, finished_at=at + timedelta(seconds=2))] * 2 for at in begun]
    assert _meter(log, **budget).reached == limit


def test_copies_spend_no_items() -> None:
    meter = _meter([[_Trial(), _Trial(same_as=0, tokens=0)]], items=11)
    assert (meter.items, meter.tokens, meter.reached) == (10, 100, None)


@pytest.mark.parametrize(
    ("fitness", "rise", "ended"),
    [
        ([0.5, 0.4, 0.4, 0.4], 0.0, True),
        ([0.5, 0.4, 0.4, 0.6], 0.0, False),
        ([0.5, 0.5, 0.5, 0.5], 0.0, True),
        ([0.50, 0.52, 0.54, 0.56], 0.05, False),
        ([0.50, 0.51, 0.52, 0.53], 0.05, True),
        ([None, None, None, None], 0.0, True),
    ],
)
def test_a_plateau_ends_the_stage(fitness: list[float | None], rise: float, ended: bool) -> None:
    meter = _meter(
        [[_Trial(fitness=one)] for one in fitness], trials=99, patience=3, min_improvement=rise
    )
    assert (meter.reached == "patience") is ended


def test_an_estimate_is_no_improvement() -> None:
    better = _Trial(fitness=0.9, censored=True)
    assert _meter([[_Trial()], [better], [better]], trials=9, patience=2).reached == "patience"


def test_a_stage_that_spends_nothing_ends_all_the_same() -> None:
    copies = [_Trial(same_as=0, tokens=0)] * IDLE
    assert _meter([copies], tokens=10**9).reached == "nothing new"
    assert _meter([copies], tokens=10**9, trials=10**5).reached is None


def test_a_budget_without_a_limit_is_refused() -> None:
    data = spec_data()
    data["stages"][0]["budget"] = {"patience": 10}
    with pytest.raises(SpecError, match=r"stages\.0\.budget: give a limit"):
        SearchSpec.parse(data)
