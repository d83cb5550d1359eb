"""Samples of one distribution pass for alike; those of others do not."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import ttest_ind
from torch import Tensor

from benchmarks.likeness import SEEDS, likeness, statistics_of, welch

BASE = torch.zeros(20, 30)
PARENTS = [torch.randn(20, 30, generator=torch.Generator().manual_seed(one)) for one in (1, 2)]


def children(seed: int, *, density: float = 0.5, weights: tuple[float, float] = (1, 1)) -> Tensor:
    """What DARE makes of two parents."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for _ in range(SEEDS):
        child = torch.zeros_like(BASE)
        for parent, weight in zip(PARENTS, weights, strict=True):
            kept = torch.rand(BASE.shape, generator=generator) < density
            child += weight * parent * kept / density
        made.append(child)
    return torch.stack(made)


@pytest.mark.parametrize("seed", range(10, 20))
def test_other_seeds_are_alike(seed: int) -> None:
    row = statistics_of(children(seed), children(seed + 100), BASE, PARENTS)
    assert len(row) == 4
    assert likeness([row], runs=1).holds


def test_another_mean_is_seen() -> None:
    row = statistics_of(children(1), children(2, weights=(0.9, 1.1)), BASE, PARENTS)
    found = likeness([row], runs=1)
    assert found.worst_mean > found.limit
    assert not found.holds


def test_another_variance_is_seen() -> None:
    # The mean is the same at any density.
    row = statistics_of(children(1), children(2, density=0.45), BASE, PARENTS)
    found = likeness([row], runs=1)
    assert found.worst_mean <= found.limit < found.worst_variance
    assert not found.holds


def test_one_tensor_among_many_is_seen() -> None:
    rows = [statistics_of(children(one), children(one + 50), BASE, PARENTS) for one in range(10)]
    assert likeness(rows, runs=4).holds
    rows[3] = statistics_of(children(1), children(2, weights=(1.0, 1.2)), BASE, PARENTS)
    assert not likeness(rows, runs=4).holds


def test_the_limit_grows_with_the_number_of_tests() -> None:
    assert likeness([[0.0] * 4] * 50, runs=4).limit > likeness([[0.0] * 4], runs=1).limit > 3


def test_welch() -> None:
    generator = torch.Generator().manual_seed(3)
    one = (torch.randn(30, generator=generator) + 0.5).tolist()
    other = (2 * torch.randn(30, generator=generator)).tolist()
    expected = ttest_ind(one, other, equal_var=False).statistic
    assert welch(one, other) == pytest.approx(abs(expected))
    assert welch([1.0, 1.0], [1.0, 1.0 + 1e-9]) == 0
    assert welch([1.0, 1.0], [2.0, 2.0]) == torch.inf
