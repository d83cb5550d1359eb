"""Putting an expert's hidden units in the order of another's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy.typing as npt
    from numpy import int64
    from torch import Tensor

Matrices = tuple["Tensor", "Tensor", "Tensor"]


def alignment(reference: Matrices, expert: Matrices) -> npt.NDArray[int64]:
    """The order of `expert`'s hidden units that puts each beside its like in `reference`.

    Both are (gate, up, down), of shapes (units x hidden), (units x hidden) and (hidden x units).
    Solves the linear assignment problem that maximises the sum of inner products of the units'
    weights, of those going in and of those going out; an expert in another order of its units is
    the same function. Time grows with the third power of the number of units. Source: arXiv
    2310.01334, after Git Re-Basin (Ainsworth et al., arXiv 2209.04836).
    """
    gate, up, down = (one.float() for one in reference)
    other_gate, other_up, other_down = (one.float() for one in expert)
    # Imported where it is used: the catalogue of methods is read where no expert is ever aligned.
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415

    likeness = gate @ other_gate.T + up @ other_up.T + down.T @ other_down
    order: npt.NDArray[int64] = linear_sum_assignment(likeness.cpu().numpy(), maximize=True)[1]
    return order
