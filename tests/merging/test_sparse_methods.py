"""DELLA, breadcrumbs and nearswap against their formulas, entry by entry."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from merging.methods._random import split_key, uniform
from merging.site import random_key
from tests.merging.reference import elected
from tests.merging.running import NAME, run, tensors

DELLA = ["della", "della_linear"]
BREADCRUMBS = ["breadcrumbs", "breadcrumbs_ties"]


def crumbs(delta: Tensor, density: float, gamma: float) -> list[float]:
    values = delta.flatten().tolist()
    count = len(values)
    order = sorted(range(count), key=lambda i: (-abs(values[i]), i))
    keep = count if density >= 1 else int(density * count)
    skip = min(int(gamma * count), count - keep)
    kept = set(order[skip : skip + keep])
    return [value if i in kept else 0.0 for i, value in enumerate(values)]


@pytest.mark.parametrize("name", BREADCRUMBS)
@given(
    seed=st.integers(0, 100),
    densities=st.lists(st.floats(0, 1), min_size=2, max_size=2),
    gammas=st.lists(st.floats(0, 1), min_size=2, max_size=2),
)
@settings(deadline=None, max_examples=30)
def test_breadcrumbs(name: str, seed: int, densities: list[float], gammas: list[float]) -> None:
    base, *parents = tensors(3, (4, 6), seed)
    weights = [0.7, -0.3]
    rows = [
        crumbs(parent - base, density, gamma)
        for parent, density, gamma in zip(parents, densities, gammas, strict=True)
    ]
    change = [
        elected(column, weights, normalize=False)
        if name == "breadcrumbs_ties"
        else math.fsum(weight * value for weight, value in zip(weights, column, strict=True))
        for column in zip(*rows, strict=True)
    ]
    merged = run(name, base, parents, weight=weights, density=densities, gamma=gammas)
    torch.testing.assert_close(merged, base + torch.tensor(change).reshape(4, 6))


@pytest.mark.parametrize("name", BREADCRUMBS)
def test_breadcrumbs_of_a_tensor_too_small_to_keep_any(name: str) -> None:
    base, parent = tensors(2, (1,))
    assert torch.equal(run(name, base, [parent], density=0.5, gamma=0.9), base)


@pytest.mark.parametrize("name", BREADCRUMBS)
def test_breadcrumbs_rescaled_have_the_old_norm(name: str) -> None:
    (parent,) = tensors(1, (5, 9))
    merged = run(name, torch.zeros(5, 9), [parent], density=0.4, gamma=0.1, rescale=True)
    torch.testing.assert_close(merged.abs().sum(), parent.abs().sum())


def chances(delta: Tensor, density: float, epsilon: float) -> Tensor:
    ranks = delta.abs().argsort(dim=-1).argsort(dim=-1)
    return density - epsilon + 2 * epsilon * ranks / (delta.shape[-1] - 1)


@pytest.mark.parametrize("name", DELLA)
@pytest.mark.parametrize(("density", "epsilon"), [(0.5, 0.2), (0.9, 0.4), (0.05, 0.15)])
def test_della_keeps_by_rank_in_a_row(name: str, density: float, epsilon: float) -> None:
    (delta,) = tensors(1, (20, 50))
    low, high = (torch.tensor(half) for half in split_key(random_key(0, "0", NAME)))
    drawn = uniform(torch.arange(1000), low, high).reshape(20, 50)
    chance = chances(delta, density, min(epsilon, density, 1 - density))
    expected = delta * (drawn < chance)
    base = torch.zeros(20, 50)
    merged = run(name, base, [delta], density=density, epsilon=epsilon, rescale=False)
    torch.testing.assert_close(merged, expected)
    divided = run(name, base, [delta], density=density, epsilon=epsilon)
    torch.testing.assert_close(divided, (expected / chance).nan_to_num())
    matched = run(name, base, [delta], density=density, epsilon=epsilon, rescale_l1=True)
    torch.testing.assert_close(matched, expected * (delta.abs().sum() / expected.abs().sum()))


@pytest.mark.parametrize("name", [*DELLA, "dare_linear", "dare_ties"])
def test_random_methods_give_the_delta_on_average(name: str) -> None:
    (delta,) = tensors(1, (6, 8))
    seeds = 300
    draws = torch.stack(
        [
            run(name, torch.zeros(6, 8), [delta], density=0.5, epsilon=0.2, random_seed=seed)
            for seed in range(seeds)
        ]
    )
    error = draws.std(dim=0) / seeds**0.5
    # 48 entries: a normal error beyond 4.5 deviations has a chance of 3e-4 in all.
    assert bool(((draws.mean(dim=0) - delta).abs() < 4.5 * error).all())


@pytest.mark.parametrize("name", DELLA)
def test_della_masks_are_nested_in_density(name: str) -> None:
    (delta,) = tensors(1, (30, 40))
    kept = torch.zeros(30, 40, dtype=torch.bool)
    for density in (0.1, 0.3, 0.31, 0.7, 1.0):
        merged = run(name, torch.zeros(30, 40), [delta], density=density, epsilon=0.05)
        assert bool((merged != 0)[kept].all())
        kept = merged != 0
    assert bool(kept.all())


@pytest.mark.parametrize("t", [0.0, 0.3, 100.0])
def test_nearswap_moves_each_entry_by_t_at_most(t: float) -> None:
    base, parent = tensors(2, (8, 8))
    merged = run("nearswap", base, [parent], t=t)
    expected = base + (parent - base).clamp(-t, t)
    torch.testing.assert_close(merged, expected)
