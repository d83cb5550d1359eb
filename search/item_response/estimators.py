"""From the answers to n of N items to the accuracy on all of them (MERGE3, arXiv 2502.10436).

All four are in [0, 1].
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from search.item_response.model import Array


def weighted(answers: Array, weights: Array) -> float:
    """A = sum over the n seen of w_i y_i. Equal weights of 1/n make it the mean.

    The weights sum to 1.
    """
    return min(1.0, max(0.0, float(answers @ weights)))


def mp_irt(average: float, probabilities: Array, seen: NDArray[np.intp]) -> float:
    """Z = n/N A + (1 - n/N) mean of P_i over the unseen; A itself if all are seen.

    `probabilities` are those of all N items, `seen` the places of the n that were answered.
    """
    unseen = np.delete(probabilities, seen)
    if not unseen.size:
        return average
    share = len(seen) / len(probabilities)
    return float(share * average + (1 - share) * unseen.mean())


def gmp_irt(average: float, mixed: float, delta: float) -> float:
    """G = delta A + (1 - delta) Z, of A by `weighted` and Z by `mp_irt`."""
    return delta * average + (1 - delta) * mixed


def best_delta(bias: float, variance: float, n: int) -> float:
    """How far to trust the answers themselves: b^2 / (v / 4n + b^2), of tinyBenchmarks.

    `bias` is the mean absolute error of the item model's prediction, on models that it was not
    fitted to; `variance` the mean variance of a model's answers. 1, the answers alone, if there is
    neither.
    """
    noise = variance / (4 * n)
    return bias**2 / (noise + bias**2) if noise + bias**2 > 0 else 1.0


def threshold(values: Array) -> float:
    """Where to cut scores in [0, 1], so that those at or above it are as many as their mean says.

    Of the values there are, the one whose share is nearest; 0.5 if all are 0 or 1.
    """
    if np.isin(values, (0.0, 1.0)).all():
        return 0.5
    ordered = np.sort(values, axis=None)
    cuts, firsts = np.unique(ordered, return_index=True)
    shares = 1 - firsts / ordered.size
    return float(cuts[np.abs(shares - ordered.mean()).argmin()])
