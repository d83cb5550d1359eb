"""TALL masks: which entries of a merged task vector serve which parent.

Wang et al., "Localizing Task Information for Improved Model Merging and Compression", arXiv
2405.07813. With tau_t = theta_t - theta_0 and
tau_M = sum_t tau_t, the mask of parent t is m_t = 1[|tau_t| > lambda_t * |tau_M - tau_t|], and
theta_0 + m_t * tau_M stands for theta_t.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor

# The authors choose lambda for each task among these, on validation items.
LAMBDAS = (0.2, 0.3, 0.4, 0.5, 0.6)


def merged_vector(base: Tensor, parents: Sequence[Tensor]) -> Tensor:
    """tau_M = sum_t (theta_t - theta_0), in float32; all of one shape, of any floating types."""
    start = base.float()
    total = parents[0].float() - start
    for parent in parents[1:]:
        total = total + (parent.float() - start)
    return total


def tall_mask(delta: Tensor, merged: Tensor, threshold: Tensor | float) -> Tensor:
    """m_t of tau_t = `delta`, tau_M = `merged` and lambda_t = `threshold`: booleans."""
    return delta.abs() > (merged - delta).abs() * threshold


def pack(mask: Tensor) -> npt.NDArray[np.uint8]:
    """Eight entries a byte in their flat order, the first in the highest bit; zeros fill up."""
    return np.packbits(mask.reshape(-1).cpu().numpy())


def unpack(packed: npt.NDArray[np.uint8], count: int) -> npt.NDArray[np.bool_]:
    """The first `count` entries of what `pack` made, flat."""
    return np.unpackbits(packed, count=count).view(np.bool_)
