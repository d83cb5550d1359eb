"""TALL masks: the released code's figures, and the algebra of masks and of consensus."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from merging.tall_masks.masks import merged_vector, pack, tall_mask, unpack
from tests.merging.running import run, tensors
from tests.merging.test_goldens import ROWS

MASKS = {
    0.2: [
        [1, 1, 1, 0, 1, 1, 0, 1, 1, 1],
        [1, 1, 1, 0, 1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0, 1, 1, 1, 1],
    ],
    0.4: [
        [1, 1, 1, 0, 1, 1, 0, 1, 1, 1],
        [1, 1, 0, 0, 1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0, 0, 1, 1, 1],
    ],
    0.6: [
        [1, 1, 0, 0, 1, 1, 0, 1, 1, 1],
        [0, 1, 0, 0, 1, 0, 1, 0, 0, 0],
        [0, 1, 1, 1, 0, 0, 0, 1, 0, 1],
    ],
}
CONSENSUS = {
    0.2: [0.6, -0.2, 1.2, 0.0, 0.0, -1.1, 1.25, -0.05, -1.2, 1.45],
    0.4: [0.6, -0.2, 1.2, 0.0, 0.0, -1.1, 0.0, -0.05, -1.2, 1.45],
    0.6: [0.0, -0.2, 0.0, 0.0, 0.0, 0.0, 0.0, -0.05, 0.0, 1.45],
}


@pytest.mark.parametrize("threshold", MASKS)
def test_masks_of_the_released_code(threshold: float) -> None:
    merged = merged_vector(torch.zeros(10), list(ROWS))
    masks = torch.stack([tall_mask(row, merged, threshold) for row in ROWS])
    assert masks.int().tolist() == MASKS[threshold]


@pytest.mark.parametrize("threshold", CONSENSUS)
def test_consensus_of_the_released_code(threshold: float) -> None:
    child = run("consensus", torch.zeros(10), list(ROWS), mask_lambda=threshold, k=2)
    torch.testing.assert_close(child, torch.tensor(CONSENSUS[threshold]))


@given(st.lists(st.booleans(), min_size=1, max_size=70))
def test_packing_keeps_every_bit(bits: list[bool]) -> None:
    packed = pack(torch.tensor(bits))
    assert len(packed) == (len(bits) + 7) // 8
    assert unpack(packed, len(bits)).tolist() == bits


@given(st.integers(0, 1000), st.floats(0, 2), st.floats(0, 2))
def test_a_higher_lambda_keeps_no_entry_that_a_lower_one_drops(
    seed: int, one: float, other: float
) -> None:
    base, *parents = tensors(4, (6, 5), seed)
    merged = merged_vector(base, parents)
    low, high = sorted([one, other])
    for parent in parents:
        kept, more = (tall_mask(parent - base, merged, at) for at in (high, low))
        assert not bool((kept & ~more).any())


def test_one_parent_alone_is_its_own_merged_vector() -> None:
    base, parent = tensors(2, (6, 5))
    merged = merged_vector(base, [parent])
    # Nothing is left over, which any change at all is larger than.
    assert bool(tall_mask(parent - base, merged, 0.6).all())


def test_consensus_of_k_0_is_task_arithmetic() -> None:
    base, *parents = tensors(4, (6, 5))
    plain = run("task_arithmetic", base, parents, **{"weight": 0.7})
    torch.testing.assert_close(run("consensus", base, parents, k=0, **{"lambda": 0.7}), plain)


def test_consensus_of_more_than_all_parents_is_the_base() -> None:
    base, *parents = tensors(4, (6, 5))
    assert torch.equal(run("consensus", base, parents, k=4), base)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_consensus_ignores_the_order_of_the_parents(k: int) -> None:
    base, *parents = tensors(4, (6, 5))
    one = run("consensus", base, parents, k=k, mask_lambda=[0.2, 0.4, 0.6])
    other = run("consensus", base, parents[::-1], k=k, mask_lambda=[0.6, 0.4, 0.2])
    torch.testing.assert_close(one, other)


def test_consensus_keeps_less_the_more_parents_must_agree() -> None:
    base, *parents = tensors(4, (40, 5))
    changed = [int((run("consensus", base, parents, k=k) != base).sum()) for k in (0, 1, 2, 3)]
    assert changed[0] == base.numel()
    assert changed == sorted(changed, reverse=True)
    assert changed[3] < changed[1]
