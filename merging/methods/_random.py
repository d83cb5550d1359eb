"""Random numbers by counter: the i-th number of a key, whatever was drawn before.

The same key and place give the same number on any device and in any tiling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

# C. Wellons's search for 32-bit hash functions of low bias ("triple32"), as signed numbers.
_FIRST, _SECOND, _THIRD = (
    number - (number >> 31 << 32) for number in (0xED5AD4BB, 0xAC4C1B51, 0x31848BAB)
)
KEY_BITS = 31


def split_key(key: int) -> tuple[int, int]:
    """A key of 62 bits as the two integers that `uniform` takes."""
    return key & (1 << KEY_BITS) - 1, key >> KEY_BITS


def uniform(index: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """For each place (int64, below 2**32) a float32 number in [0, 1), in steps of 2**-24.

    `low` and `high` are the key. The second half enters after the first multiplication, so that
    two keys' sequences are not one sequence in another order.
    """
    bits = index.int() ^ low.int()
    bits = (bits ^ _shifted(bits, 17)) * _FIRST + high.int()
    bits = (bits ^ _shifted(bits, 11)) * _SECOND
    bits = (bits ^ _shifted(bits, 15)) * _THIRD
    bits = bits ^ _shifted(bits, 14)
    return _shifted(bits, 8).float() * 2.0**-24


def _shifted(bits: Tensor, by: int) -> Tensor:
    """Shifted right, with zeros from the left."""
    return (bits >> by) & ((1 << (32 - by)) - 1)
