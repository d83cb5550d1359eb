"""OPCM against figures of the released code, its invariants, and at its edges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from merging import statistics
from merging.methods.opcm import projected
from merging.site import Workshop
from merging.statistics import Statistics
from tests.merging.running import NAME, merger_of, run, run_models, tensors

A = torch.tensor([[1.0, 0.2, 0.0, -0.5], [0.3, 0.7, -0.2, 0.0], [0.0, 0.1, 0.4, 0.6]])
B = torch.tensor([[0.5, -0.4, 0.3, 0.1], [-0.2, 0.6, 0.8, 0.0], [0.9, 0.0, -0.1, 0.2]])
BEFORE_RESCALING = [
    [1.41724816, -0.03340149, 0.15722045, -0.43006921],
    [0.21549897, 0.89038516, 0.72446782, -0.17354663],
    [0.69415147, -0.03155041, 0.00731243, 0.45266977],
]
MERGED = [
    [1.06413166, -0.02507929, 0.11804796, -0.3229147],
    [0.16180602, 0.66853996, 0.54396199, -0.13030637],
    [0.52119916, -0.02368942, 0.00549049, 0.33988418],
]
MATRICES = ("model.layers.0.a", "model.layers.1.a")
ALPHAS = [0.0, 0.3, 0.5, 0.9, 1.0]


def plain(done: Tensor, change: Tensor, alpha: float) -> Tensor:
    """U P V^T by the full decomposition, of an alpha below 1 and a matrix of full rank."""
    left, values, right = torch.linalg.svd(done.double(), full_matrices=True)
    split = int((values.cumsum(0) / values.sum() > alpha).double().argmax())
    turned = left.T @ change.double() @ right.T
    turned.fill_diagonal_(0)
    turned[:split, :split] = 0
    projection: Tensor = left @ turned @ right
    return projection


def sequence(deltas: Sequence[dict[str, Tensor]], alpha: float) -> dict[str, Tensor]:
    """The released code's steps one by one, over a base of zeros."""

    def norm(model: dict[str, Tensor]) -> float:
        return math.sqrt(sum(float(one.square().sum()) for one in model.values()))

    merged = {name: one.double() for name, one in deltas[0].items()}
    norms, factor = [norm(merged)], 1.0
    for delta in deltas[1:]:
        norms.append(norm({name: one.double() for name, one in delta.items()}))
        raw = {
            name: factor * done
            + (plain(done, delta[name], alpha) if name in MATRICES else delta[name].double())
            for name, done in merged.items()
        }
        average = sum(norms) / len(norms)
        factor = norm(raw) / average
        merged = {name: one / factor for name, one in raw.items()}
    return {name: one.float() for name, one in merged.items()}


def test_figures_of_the_released_code() -> None:
    merged = run("opcm", torch.zeros(3, 4), [A, B], alpha=0.5)
    torch.testing.assert_close(merged, torch.tensor(MERGED))
    added = torch.tensor(BEFORE_RESCALING) - A
    torch.testing.assert_close(projected(B, A.svd(), 0.5), added)


@pytest.mark.parametrize("shape", [(6, 6), (4, 9), (9, 4), (1, 5), (5, 1)])
@given(seed=st.integers(0, 1000), alpha=st.floats(0, 1))
@settings(deadline=None, max_examples=25)
def test_what_is_added_is_orthogonal_to_what_is_there(
    shape: tuple[int, int], seed: int, alpha: float
) -> None:
    done, change = tensors(2, shape, seed)
    parts = done.svd()
    added = projected(change, parts, alpha)
    scale = float(done.norm() * change.norm())
    assert abs(float((done * added).sum())) < 1e-5 * scale
    # Once more changes nothing.
    torch.testing.assert_close(projected(added, parts, alpha), added, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(6, 6), (4, 9), (9, 4)])
@pytest.mark.parametrize("alpha", [0.0, 0.2, 0.5, 0.95])
def test_the_thin_decomposition_is_enough(shape: tuple[int, int], alpha: float) -> None:
    done, change = tensors(2, shape)
    expected = plain(done, change, alpha).float()
    torch.testing.assert_close(projected(change, done.svd(), alpha), expected, rtol=1e-4, atol=1e-5)


def test_with_alpha_1_no_direction_of_the_first_is_touched() -> None:
    done, change = tensors(2, (5, 8))
    left, values, right = parts = done.svd()
    added = projected(change, parts, 1.0)
    assert len(values) == 5
    torch.testing.assert_close(left.T @ added @ right, torch.zeros(5, 5), rtol=0, atol=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_only_a_matrix_s_own_directions_lose_anything(alpha: float) -> None:
    """One of rank 2, as an adapter's change is: which vectors fill up its basis must not matter."""
    one, two, change = tensors(3, (8, 8))
    low_rank = one[:, :2] @ two[:2]
    left, values, right = low_rank.svd()
    other = torch.linalg.qr(torch.cat([left[:, :2], one[:, 2:]], dim=1)).Q
    other[:, :2] = left[:, :2]
    merged = projected(change, (left, values, right), alpha)
    torch.testing.assert_close(merged, projected(change, (other, values, right), alpha))
    outside = change - left[:, :2] @ (left[:, :2].T @ change)
    within = left[:, :2] @ (left[:, :2].T @ merged)
    torch.testing.assert_close(merged - within, outside, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 0.4, 0.8])
def test_models_one_after_another_as_the_released_code_merges_them(alpha: float) -> None:
    shapes = {
        "model.embed_tokens.weight": (6, 4),
        "model.layers.0.a": (4, 6),
        "model.layers.0.norm": (4,),
        "model.layers.1.a": (7, 3),
        "lm_head.weight": (6, 4),
    }
    models = [
        {name: one for (name, shape) in shapes.items() for one in tensors(1, shape, seed)}
        for seed in range(4)
    ]
    zero = {name: torch.zeros(shape) for name, shape in shapes.items()}
    child = run_models("opcm", zero, models, shared={"alpha": alpha})
    for name, expected in sequence(models, alpha).items():
        torch.testing.assert_close(child[name], expected, rtol=1e-3, atol=1e-4)


def test_the_child_is_as_far_from_the_base_as_the_parents_on_average() -> None:
    base, *parents = tensors(4, (9, 7))
    merged = run("opcm", base, parents)
    mean = sum(float((parent - base).norm()) for parent in parents) / 3
    assert float((merged - base).norm()) == pytest.approx(mean, rel=1e-5)


def test_parents_are_merged_in_their_order() -> None:
    base, *parents = tensors(4, (5, 6))
    as_listed = run("opcm", base, parents)
    assert torch.equal(as_listed, run("opcm", base, parents, order=[0.2, 0.2, 0.2]))
    turned = run("opcm", base, parents, order=[3.0, 1.0, 2.0])
    moved = [parents[1], parents[2], parents[0]]
    assert torch.equal(turned, run("opcm", base, moved))
    assert not torch.allclose(turned, as_listed)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("shape", [(4, 5), (6,), ()])
def test_one_parent_is_itself(alpha: float, shape: tuple[int, ...]) -> None:
    base, parent = tensors(2, shape)
    torch.testing.assert_close(run("opcm", base, [parent], alpha=alpha), parent)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_parents_without_changes(alpha: float) -> None:
    base, parent = tensors(2, (4, 5))
    assert torch.equal(run("opcm", base, [base, base], alpha=alpha), base)
    # What has no directions bars none; and the mean length is half the only change's.
    half = base + (parent - base) / 2
    torch.testing.assert_close(run("opcm", base, [base, parent], alpha=alpha), half)
    torch.testing.assert_close(run("opcm", base, [parent, base], alpha=alpha), half)


def test_changes_that_cancel_out_are_the_base() -> None:
    base = torch.zeros(6)
    assert torch.equal(run("opcm", base, [torch.ones(6), -torch.ones(6)]), base)


@pytest.mark.parametrize("broken", [0, 1, 2])
def test_a_nan_stays_in_its_tensor(broken: int) -> None:
    models = [
        {name: one for name in MATRICES for one in tensors(1, (3, 4), seed)} for seed in range(4)
    ]
    models[1 + broken][MATRICES[1]][1, 1] = float("nan")
    child = run_models("opcm", models[0], models[1:])
    assert bool(child[MATRICES[0]].isfinite().all())
    assert bool(child[MATRICES[1]].isnan().any())


def test_the_first_decomposition_is_computed_once_for_any_alpha(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, *parents = [{NAME: one} for one in tensors(3, (260, 300))]

    def merged(alpha: float, **options: Any) -> Tensor:
        workshop = Workshop(Statistics(**options))
        merger = merger_of("opcm", base, parents, shared={"alpha": alpha}, workshop=workshop)
        return merger.tensor(NAME)

    expected = merged(0.7)
    merged(0.2, folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    monkeypatch.setattr(statistics, "svd", None)
    assert torch.equal(merged(0.7, folder=tmp_path), expected)
