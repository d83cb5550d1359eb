"""Intervals and paired tests, against scipy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from evaluators.intervals import mcnemar, wilson


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_equals_scipy(counts: tuple[int, int]) -> None:
    correct, n = counts
    interval = binomtest(correct, n).proportion_ci(0.95, method="wilson")
    assert wilson(correct, n) == pytest.approx((interval.low, interval.high), abs=1e-12)


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.floats(0, n), st.just(n))))
def test_wilson_holds_the_proportion(counts: tuple[float, int]) -> None:
    correct, n = counts
    low, high = wilson(correct, n)
    assert 0 <= low <= correct / n + 1e-12
    assert correct / n - 1e-12 <= high <= 1


def test_wilson_at_the_edges() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 10)[0] == 0.0
    assert wilson(10, 10)[1] == 1.0
    with pytest.raises(ValueError, match="11 correct of 10"):
        wilson(11, 10)


@given(st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 1.0])), max_size=300))
def test_mcnemar_equals_the_binomial_test(pairs: list[tuple[float, float]]) -> None:
    a, b = [x for x, _ in pairs], [y for _, y in pairs]
    wins = sum(x > y for x, y in pairs)
    n = wins + sum(x < y for x, y in pairs)
    expected = binomtest(wins, n).pvalue if n else 1.0
    assert mcnemar(a, b) == pytest.approx(expected)
    assert mcnemar(a, b) == mcnemar(b, a)


def test_mcnemar_of_many_items_and_of_unequal_ones() -> None:
    a, b = [1.0] * 3000 + [0.0] * 2900, [0.0] * 3000 + [1.0] * 2900
    assert mcnemar(a, b) == pytest.approx(binomtest(2900, 5900).pvalue)
    with pytest.raises(ValueError):
        mcnemar([1.0], [])
