"""The methods once more, element by element in float64: slow, plain, and sharing no code."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def sparsest(delta: list[float], density: float) -> list[float]:
    """The int(density * n) largest, at least one; of equal ones the first."""
    if density >= 1:
        return delta
    keep = max(1, int(density * len(delta))) if density > 0 else 0
    order = sorted(range(len(delta)), key=lambda i: (-abs(delta[i]), i))
    kept = set(order[:keep])
    return [value if i in kept else 0.0 for i, value in enumerate(delta)]


def elected(column: Sequence[float], weights: Sequence[float], *, normalize: bool) -> float:
    weighted = [value * weight for value, weight in zip(column, weights, strict=True)]
    positive = math.fsum(weighted) >= 0
    agreeing = [
        (value, weight)
        for value, weight in zip(weighted, weights, strict=True)
        if value != 0 and (value > 0) == positive
    ]
    divisor = math.fsum(weight for _, weight in agreeing)
    total = math.fsum(value for value, _ in agreeing)
    return total / divisor if normalize and divisor != 0 else total


def reference(
    name: str,
    base: Tensor,
    parents: Sequence[Tensor],
    weights: Sequence[float],
    densities: Sequence[float],
) -> Tensor:
    """linear, task_arithmetic or ties at their defaults, in float32."""
    columns = [parent.double().flatten().tolist() for parent in parents]
    start = base.double().flatten().tolist()
    if name == "linear":
        merged = [
            sum(w * v for w, v in zip(weights, row, strict=True)) / sum(weights)
            for row in zip(*columns, strict=True)
        ]
        return torch.tensor(merged).reshape(base.shape)
    deltas = [
        (parent - base).flatten().tolist() for parent in parents
    ]  # in float32, so that the order by magnitude is that of the method
    if name == "ties":
        deltas = [sparsest(d, density) for d, density in zip(deltas, densities, strict=True)]
        change = [elected(row, weights, normalize=True) for row in zip(*deltas, strict=True)]
    else:
        change = [
            math.fsum(w * v for w, v in zip(weights, row, strict=True))
            for row in zip(*deltas, strict=True)
        ]
    return torch.tensor([a + b for a, b in zip(start, change, strict=True)]).reshape(base.shape)
