"""What counts as the same child, and what as left open."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from benchmarks.agreement import agreement, bf16_ulp, trimmed, ulps_apart
from merging.recipe import Recipe
from tests.merging.running import NAME, MemoryParent

BASE = torch.tensor([1.0, 2.0, 3.0, 4.0])
FIRST = BASE + torch.tensor([0.5, -0.25, 0.125, 0.0])
SECOND = BASE + torch.tensor([-0.5, -0.25, 0.25, 1.0])
PARENTS: Any = {
    name: MemoryParent({NAME: one})
    for name, one in (("base", BASE), ("first", FIRST), ("second", SECOND))
}


def asked(method: str, **of_parents: float) -> Recipe:
    entries = [{"model": name, "parameters": of_parents} for name in ("first", "second")]
    base = None if method == "linear" else "base"
    return Recipe.parse({"merge_method": method, "models": entries, "base_model": base})


@given(st.floats(min_value=2**-100, max_value=2**100, allow_subnormal=False))
def test_an_ulp_is_the_step_between_bf16_numbers(value: float) -> None:
    # Cut off, not rounded, so that the number and the one above it have one exponent.
    bits = torch.tensor([value], dtype=torch.float32).view(torch.int32) >> 16 << 16
    number, above = bits.view(torch.float32), (bits + (1 << 16)).view(torch.float32)
    assert number.bfloat16().float().equal(number)
    assert bf16_ulp(number).equal(above - number)
    assert bf16_ulp(-number).equal(above - number)


def test_ulps_are_those_of_the_largest_term() -> None:
    one, other = torch.tensor([1.0, 1.0]), torch.tensor([1.0, 1.0 + 3 / 128])
    assert ulps_apart(one, other, [one]).tolist() == [0.0, 3.0]
    # Next to a term of 8 the same difference is an eighth of that.
    assert ulps_apart(one, other, [torch.tensor([8.0, -8.0])]).tolist() == [0.0, 0.375]


def test_a_child_agrees_with_itself_and_not_with_another() -> None:
    child = {NAME: (FIRST + SECOND) / 2}
    found = agreement(asked("linear"), child, child, PARENTS)
    assert (found.entries, found.off, found.holds) == (4, 0, True)
    found = agreement(asked("linear"), {NAME: child[NAME] + 1}, child, PARENTS)
    assert (found.off, found.holds, found.worst_tensor) == (4, False, NAME)
    # From 1 to 2 in steps of 1/64, which is what numbers next to 2 have.
    assert found.worst_ulps == 64


def test_a_nan_agrees_with_nothing() -> None:
    child, broken = (FIRST + SECOND) / 2, (FIRST + SECOND) / 2
    broken[1] = torch.nan
    found = agreement(asked("linear"), {NAME: child}, {NAME: broken}, PARENTS)
    assert (found.off, found.worst_ulps) == (1, torch.inf)


def test_a_sum_of_zero_leaves_the_sign_open() -> None:
    # +0.5 and -0.5: either may be elected.
    up, down = BASE.clone(), BASE.clone()
    up[0] += 0.5
    down[0] -= 0.5
    found = agreement(asked("ties", density=1.0), {NAME: up}, {NAME: down}, PARENTS)
    assert (found.zero_sums, found.at_threshold, found.off) == (1, 0, 0)
    # Nothing is elected in task arithmetic; and with other weights the sum is not 0.
    found = agreement(asked("task_arithmetic"), {NAME: up}, {NAME: down}, PARENTS)
    assert (found.zero_sums, found.off) == (0, 1)
    weighted = Recipe.parse(
        {
            "merge_method": "ties",
            "base_model": "base",
            "models": [
                {"model": "first", "parameters": {"weight": 0.5, "density": 1.0}},
                {"model": "second", "parameters": {"weight": 1.0, "density": 1.0}},
            ],
        }
    )
    assert agreement(weighted, {NAME: up}, {NAME: down}, PARENTS).off == 1


def test_equal_magnitudes_at_a_threshold_leave_the_choice_open() -> None:
    base = torch.zeros(4)
    parent = torch.tensor([1.0, -0.5, 0.5, 0.25])
    parents: Any = {"base": MemoryParent({NAME: base}), "first": MemoryParent({NAME: parent})}
    recipe = Recipe.parse(
        {
            "merge_method": "ties",
            "base_model": "base",
            "models": [{"model": "first", "parameters": {"density": 0.5}}],
        }
    )
    ours, theirs = torch.tensor([1, -0.5, 0, 0]), torch.tensor([1, 0, 0.5, 0])
    found = agreement(recipe, {NAME: ours}, {NAME: theirs}, parents)
    assert (found.at_threshold, found.off, found.holds) == (2, 0, True)
    # What lies above or below the threshold is not open.
    theirs = torch.tensor([0, -0.5, 0, 0.25])
    assert agreement(recipe, {NAME: ours}, {NAME: theirs}, parents).off == 2


@given(
    delta=st.lists(st.integers(-3, 3), min_size=1, max_size=20),
    density=st.floats(0, 1),
    gamma=st.floats(0, 1),
)
def test_only_entries_that_equal_a_threshold_are_open(
    delta: list[int], density: float, gamma: float
) -> None:
    row = torch.tensor(delta, dtype=torch.float32)
    kept, at_cut = trimmed(row, density, gamma)
    count = len(delta)
    keep = count if density >= 1 else max(1, int(density * count)) if density > 0 else 0
    skip = min(int(gamma * count), count - keep)
    for ranks in (_order(row, first_wins=True), _order(row, first_wins=False)):
        chosen = torch.zeros(count, dtype=torch.bool)
        chosen[ranks[skip : skip + keep]] = True
        differing = (row * chosen) != kept
        assert not bool((differing & ~at_cut).any())


def _order(row: Tensor, *, first_wins: bool) -> list[int]:
    places = range(len(row)) if first_wins else range(len(row) - 1, -1, -1)
    return sorted(places, key=lambda place: -abs(float(row[place])))
