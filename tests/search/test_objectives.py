"""Several objectives, constraints, and the front."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.errors import SpecError
from search.objectives import Found, front, missed, named_values, shortfall, values_of
from search.objectives_spec import Constraint, Pareto, Weighted
from search.spec import SearchSpec
from tests.search.specs import spec_data


@dataclass(frozen=True)
class _Trial:
    number: int
    objectives: tuple[float, ...] | None
    fitness: float | None = 0.0
    constraints: tuple[float, ...] | None = None

    @property
    def digest(self) -> str:
        return str(self.objectives)


FOUND = Found(fitness=0.4, means={"ja": 0.6, "en": 0.2}, parameters=1000, speed=50.0)


def test_a_child_has_one_number_an_objective() -> None:
    over = Pareto(kind="pareto", over=("en", "size", "speed", "ja"))
    values = values_of(over, FOUND)
    assert values == (0.2, -1000.0, 50.0, 0.6)
    assert named_values(over, values) == {"en": 0.2, "size": 1000.0, "speed": 50.0, "ja": 0.6}
    assert values_of(Weighted(), FOUND) == (0.4,)


def test_what_a_constraint_asks_for() -> None:
    constraints = [
        Constraint(task="en", at_least=0.9, of="base"),
        Constraint(task="ja", at_least=0.5),
    ]
    found = missed(constraints, FOUND.means, {"base": {"en": 0.5, "ja": 0.1}})
    assert found == pytest.approx((0.25, -0.1))
    assert shortfall(found) == pytest.approx(0.25)


POINTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), max_size=25)


@given(POINTS)
def test_the_front_is_what_no_other_dominates(points: list[tuple[int, int, int]]) -> None:
    trials = [
        _Trial(number, tuple(map(float, one)), fitness=float(sum(one)))
        for number, one in enumerate(points)
    ]
    found = front(trials)

    def dominated(mine: tuple[int, ...]) -> bool:
        return any(
            other != mine and all(a >= b for a, b in zip(other, mine, strict=True))
            for other in points
        )

    kept = {one for one in points if not dominated(one)}
    assert {points[number] for number in found} == kept
    assert len(found) == len(kept)
    if points:
        assert sum(points[found[0]]) == max(map(sum, points))


def test_the_first_of_the_front_span_it() -> None:
    line = [(x / 10, 1 - x / 10) for x in range(11)]
    trials = [_Trial(number, one, fitness=one[0]) for number, one in enumerate(line)]
    assert front(trials)[:2] == [10, 0]


def test_who_misses_a_constraint_is_not_on_the_front() -> None:
    trials = [_Trial(0, (1.0, 1.0), constraints=(0.1,)), _Trial(1, (0.5, 0.5), constraints=(0.0,))]
    assert front(trials) == [1]
    assert front([_Trial(0, None)]) == []


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"objectives": {"kind": "pareto", "over": ["size", "x"]}}, "over.1", "is no task"),
        ({"objectives": {"kind": "pareto", "over": ["size", "size"]}}, "over.1", "listed twice"),
        ({"objectives": {"kind": "pareto", "over": ["size"]}}, "over", "at least 2"),
        ({"constraints": [{"task": "x", "at_least": 0.5}]}, "0.task", "is no task"),
        (
            {"constraints": [{"task": "word_problems_ja", "at_least": 0.9, "of": "x"}]},
            "0.of",
            "not among the models",
        ),
        ({"constraints": [{"task": "word_problems_ja", "at_least": 2}]}, "0.at_least", "1 at most"),
        (
            {
                "constraints": [{"task": "word_problems_ja", "at_least": 0.5}],
                "allocation": {"kind": "racing"},
            },
            "allocation.kind",
            "scored whole",
        ),
    ],
)
def test_what_cannot_be_asked_for(fields: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        SearchSpec.parse(spec_data(**fields))
    assert caught.value.field.endswith(field)
