"""DARE before task arithmetic (arXiv 2311.03099, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from merging.method import Method, Values
from merging.methods._dare import PARAMETERS, dropped_deltas
from merging.methods._parts import add_to_base, add_up

if TYPE_CHECKING:
    from torch import Tensor


def merge(base: Tensor | None, parents: Sequence[Tensor], values: Values) -> Tensor:
    """base + lambda * sum_k w_k delta_k, over deltas dropped and rescaled by DARE."""
    assert base is not None
    merged = add_up(
        dropped_deltas(base, parents, values),
        values.per_parent["weight"],
        normalized=bool(values.shared["normalize"]),
    )
    return add_to_base(base, merged, values.shared["lambda"])


METHOD = Method(
    name="dare_linear",
    form="tensor",
    summary="the base plus a weighted sum of randomly thinned changes",
    source="DARE, arXiv 2311.03099, section 3.2, over task arithmetic",
    needs_base=True,
    min_parents=1,
    max_parents=None,
    parameters=PARAMETERS,
    merge=merge,
)
