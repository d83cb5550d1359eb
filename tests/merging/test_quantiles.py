"""Ranks found by counting bits against plain sorting."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from merging.quantiles import (
    from_ordered_bits,
    joined,
    lower_counts,
    nth,
    ordered_bits,
    upper_counts,
)

NUMBERS = st.floats(width=32, allow_nan=False)


@given(one=NUMBERS, two=NUMBERS)
def test_bits_have_the_order_of_their_numbers(one: float, two: float) -> None:
    first, second = (int(bits) for bits in ordered_bits(np.array([one, two], np.float32)))
    if one != two:
        assert (first < second) == (one < two)
    assert from_ordered_bits(first) == one
    assert math.copysign(1, from_ordered_bits(first)) == math.copysign(1, one)


@given(tiles=st.lists(st.lists(NUMBERS, max_size=20), min_size=1, max_size=4), data=st.data())
def test_the_nth_number_of_several_tiles(tiles: list[list[float]], data: st.DataObject) -> None:
    numbers = sorted(number for tile in tiles for number in tile)
    if not numbers:
        return
    rank = data.draw(st.integers(1, len(numbers)))
    bits = [ordered_bits(np.array(tile, np.float32)) for tile in tiles]
    upper, rest = nth(upper_counts(bits), rank)
    lower, _ = nth(lower_counts(bits, upper), rest)
    assert from_ordered_bits(joined(upper, lower)) == numbers[rank - 1]
