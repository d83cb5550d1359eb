"""Task arithmetic (Ilharco et al., arXiv 2212.04089, section 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from merging.method import Method, Values
from merging.methods._parts import LAMBDA, WEIGHT, add_to_base, add_up, normalize

if TYPE_CHECKING:
    from torch import Tensor


def merge(base: Tensor | None, parents: Sequence[Tensor], values: Values) -> Tensor:
    """base + lambda * sum_k w_k (theta_k - base), with `normalize` the sum divided by sum_k w_k."""
    assert base is not None
    merged = add_up(
        [parent - base for parent in parents],
        values.per_parent["weight"],
        normalized=bool(values.shared["normalize"]),
    )
    return add_to_base(base, merged, values.shared["lambda"])


METHOD = Method(
    name="task_arithmetic",
    form="tensor",
    summary="the base plus a weighted sum of what fine-tuning changed",
    source="Task arithmetic, arXiv 2212.04089, section 2",
    needs_base=True,
    min_parents=1,
    max_parents=None,
    parameters=(WEIGHT, LAMBDA, normalize(False)),
    merge=merge,
)
