"""Critical values: the chance of stopping by each look, and what one look comes to."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from search.boundary import critical_values, information


def test_one_look_is_a_test_at_its_share_of_the_error() -> None:
    (found,) = critical_values([64], 256, 0.2)
    assert found == pytest.approx(NormalDist().inv_cdf(1 - 0.2 / 4), abs=1e-3)


@pytest.mark.parametrize(
    ("looks", "error"),
    [(range(32, 256, 16), 0.05), (range(16, 256, 80), 0.4), (range(1, 256, 5), 0.1)],
)
def test_the_error_is_spent_with_the_items(looks: range, error: float) -> None:
    """Numbers drawn without replacement, whose mean is zero; 20,000 orders of 256."""
    source = np.random.default_rng(1)
    numbers = source.standard_normal(256)
    numbers -= numbers.mean()
    orders = source.permuted(np.tile(numbers, (20_000, 1)), axis=1)
    seen = np.array(looks)
    means = orders.cumsum(axis=1)[:, seen - 1] / seen
    scale = np.sqrt(np.square(numbers).mean() / [information(n, 256) for n in looks])
    below = means < -np.array(critical_values(list(looks), 256, error)) * scale
    by_look = np.logical_or.accumulate(below, axis=1).mean(axis=0)
    # Within four standard errors, and what N in place of N - 1 comes to.
    assert by_look == pytest.approx(error * seen / 256, rel=0.03, abs=0.008)
