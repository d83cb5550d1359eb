"""PCB-Merging against figures of the released code, its formula, and at its edges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from merging.methods import pcb
from merging.pointwise import Runner
from merging.site import Workshop
from tests.merging.running import Model, merger_of, run, run_models, tensors
from tests.merging.test_goldens import ROWS

VARIANTS = ["evolutionary", "language", "vision"]
PARTS = {"model.layers.0.a": (3, 5), "model.layers.1.a": (20,), "model.norm.weight": ()}
COUNT = 36


def model(flat: Tensor, parts: dict[str, tuple[int, ...]] = PARTS) -> Model:
    """A model of these entries, one tensor after another."""
    pieces = torch.split(flat, [int(np.prod(shape)) for shape in parts.values()])
    return {name: one.reshape(parts[name]) for name, one in zip(parts, pieces, strict=True)}


def merged(base: Tensor, parents: Sequence[Tensor], **values: Any) -> Tensor:
    """The merge of flat parents as models of several tensors."""
    per_parent = {"weight": values.pop("weight")} if "weight" in values else {}
    child = run_models(
        "pcb", model(base), [model(one) for one in parents], per_parent=per_parent, shared=values
    )
    return torch.cat([child[name].reshape(-1) for name in PARTS])


def scaled(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    low, high = rows.min(1, keepdims=True), rows.max(1, keepdims=True)
    shares: npt.NDArray[np.float64] = (rows - low) / np.where(high > low, high - low, np.inf)
    return shares


def formula(
    deltas: npt.NDArray[np.float64], weights: list[float], ratio: float, clamp: float, variant: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """What is added to the base, and which entries are at no threshold, where rounding decides."""
    count, total = deltas.shape
    sizes = np.sort(np.abs(deltas), 1)
    low = int(total * clamp)
    high = max(low, int(total * (1 - clamp) - 1))
    cut = np.clip(np.abs(deltas), sizes[:, [low]], sizes[:, [high]])
    shares = scaled(cut)
    signed = np.sign(deltas) * shares
    if variant == "evolutionary":
        inter = np.tanh(signed[:, None] * signed[None]).sum(1)
    elif variant == "language":
        inter = np.tanh(deltas * deltas.sum(0))
    else:
        inter = np.tanh(deltas * signed.sum(0))
    balance = np.exp(count * shares**2) * inter
    place = min(int(total * (1 - ratio)), total - 1)
    threshold = np.sort(balance, 1)[:, [place]]
    scale = scaled(np.maximum(balance, threshold))
    change = (np.array(weights)[:, None] * np.sign(deltas) * cut * scale).sum(0)
    # A scale is a difference of balances, of which single precision leaves about 1e-7 / 5e-4 sure.
    near = np.abs(balance - threshold) < 5e-4 * np.abs(balance).max(1, keepdims=True)
    return change / np.maximum(scale.sum(0), 1e-12), ~near.any(0)


@pytest.mark.parametrize(
    ("variant", "weight", "expected"),
    [
        ("language", 1.0, [0.8, 0.0, 0.0, -0.7, 0.0, -0.7795045, 0.6, 0.0, 0.0, 0.6]),
        (
            "evolutionary",
            1.2,
            [0.0, 0.0, 0.0, -0.84, 0.0, -0.92735685, 0.72, 0.0, 0.0, 0.75739332],
        ),
    ],
)
def test_figures_of_the_released_code(variant: str, weight: float, expected: list[float]) -> None:
    """One tensor of ten entries, or three that make one vector."""
    zero = torch.zeros(10)
    whole = run("pcb", zero, list(ROWS), ratio=0.3, weight=weight, variant=variant)
    torch.testing.assert_close(whole, torch.tensor(expected))
    parts = {"model.layers.0.a": (2, 2), "model.layers.1.a": (), "model.norm.weight": (5,)}
    child = run_models(
        "pcb",
        model(zero, parts),
        [model(row, parts) for row in ROWS],
        per_parent={"weight": [weight] * 3},
        shared={"ratio": 0.3, "variant": variant},
    )
    torch.testing.assert_close(torch.cat([one.reshape(-1) for one in child.values()]), whole)


@pytest.mark.parametrize("variant", VARIANTS)
@given(
    seed=st.integers(0, 1000),
    count=st.integers(1, 4),
    ratio=st.floats(0, 1),
    clamp=st.floats(0, 0.3),
)
@settings(deadline=None, max_examples=30)
def test_formula_over_the_whole_model(
    variant: str, seed: int, count: int, ratio: float, clamp: float
) -> None:
    base, *parents = tensors(1 + count, (COUNT,), seed)
    weights = [0.7, -0.3, 1.4, 1.0][:count]
    child = merged(base, parents, weight=weights, ratio=ratio, clamp=clamp, variant=variant)
    deltas = torch.stack([parent - base for parent in parents]).double().numpy()
    change, sure = formula(deltas, weights, ratio, clamp, variant)
    expected = base.double() + torch.from_numpy(change)
    torch.testing.assert_close(child[sure], expected.float()[sure], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_size_of_tiles_changes_nothing(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    base, *parents = tensors(4, (COUNT,))
    once = merged(base, parents, ratio=0.4, variant=variant)
    monkeypatch.setattr(pcb, "TILE", 7)
    assert torch.equal(once, merged(base, parents, ratio=0.4, variant=variant))


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_order_of_parents_is_ignored(variant: str) -> None:
    base, *parents = tensors(4, (COUNT,), seed=5)
    weights = [0.2, 0.9, 1.5]
    first = merged(base, parents, weight=weights, ratio=0.5, variant=variant)
    second = merged(base, parents[::-1], weight=weights[::-1], ratio=0.5, variant=variant)
    torch.testing.assert_close(first, second)


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_parent_uncut_is_itself_but_for_its_smallest_change(variant: str) -> None:
    base, parent = tensors(2, (COUNT,))
    child = merged(base, [parent], ratio=1.0, clamp=0.0, variant=variant)
    smallest = (parent - base).abs().argmin()
    expected = parent.clone()
    expected[smallest] = base[smallest]
    torch.testing.assert_close(child, expected)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_parent_without_changes_takes_no_part(variant: str) -> None:
    base, *parents = tensors(3, (COUNT,))
    assert torch.equal(merged(base, [base, base], variant=variant), base)
    children = [
        merged(base, [*parents, base], weight=[0.6, 1.2, weight], ratio=0.5, variant=variant)
        for weight in (9.0, 0.0)
    ]
    assert torch.equal(*children)
    assert not torch.equal(children[0], base)


@pytest.mark.parametrize("variant", VARIANTS)
def test_changes_of_one_size_have_no_scale(variant: str) -> None:
    base = torch.zeros(COUNT)
    assert torch.equal(merged(base, [torch.ones(COUNT)], variant=variant), base)


def test_a_ratio_of_0_is_the_base() -> None:
    base, *parents = tensors(3, (COUNT,))
    assert torch.equal(merged(base, parents, ratio=0.0), base)


def test_many_parents_do_not_overflow() -> None:
    base, *parents = tensors(121, (COUNT,))
    child = merged(base, parents, ratio=0.3)
    assert bool(child.isfinite().all())
    assert bool((child != base).any())


def test_stored_types_are_read_as_they_are() -> None:
    base, *parents = [one.bfloat16() for one in tensors(3, (COUNT,))]
    child = merged(base, parents, ratio=0.4)
    exact = merged(base.float(), [one.float() for one in parents], ratio=0.4)
    assert torch.equal(child, exact)


def test_a_search_over_weights_prepares_once(monkeypatch: pytest.MonkeyPatch) -> None:
    passes = []
    plain = pcb._balances

    def counted(*arguments: Any) -> Iterator[list[npt.NDArray[np.float32]]]:
        passes.append(1)
        return plain(*arguments)

    monkeypatch.setattr(pcb, "_balances", counted)
    base, *parents = [model(one) for one in tensors(3, (COUNT,))]
    workshop = Workshop()

    def prepare(weight: float, ratio: float) -> int:
        passes.clear()
        merger_of(
            "pcb",
            base,
            parents,
            per_parent={"weight": [weight, 1.0]},
            shared={"ratio": ratio},
            workshop=workshop,
        )
        return len(passes)

    assert [prepare(1.0, 0.1), prepare(0.4, 0.1), prepare(0.4, 0.2)] == [2, 0, 1]


@pytest.mark.parametrize("variant", VARIANTS)
def test_compiled_and_eager_are_one_child(variant: str) -> None:
    name = "model.layers.0.w"
    base, *parents = [one.bfloat16() for one in tensors(3, (300, 101))]
    children = []
    for compiled in (True, False):
        workshop = Workshop(runner=Runner(compiled=compiled))
        merger = merger_of(
            "pcb",
            {name: base},
            [{name: one} for one in parents],
            shared={"variant": variant, "ratio": 0.3},
            workshop=workshop,
        )
        children.append(merger.tensor(name))
        assert workshop.runner.compiled is compiled
    # Entries at a threshold may fall on either side of it.
    differing = (children[0] - children[1]).abs() > 1e-5
    assert float(differing.float().mean()) < 1e-3
