"""What a model can do, from its answers to items that are known.

An endpoint is a model that a search merges; its ability is free. That of a merged candidate is
taken to lie among those of its endpoints, theta = sum over k of lambda_k theta_k (MERGE3, arXiv
2502.10436): few numbers, so that few answers settle them.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from search.item_response.model import Array, ItemModel, surprise


def fit_ability(items: ItemModel, answers: Array) -> Array:
    """The D abilities of a model from its answers, 0 or 1, to all N items.

    The mode under a standard normal prior, which keeps it finite where all answers are right or
    all are wrong.
    """
    dimensions = items.discrimination.shape[1]
    identity = np.eye(dimensions)
    return _fit(items, answers, identity, np.zeros(dimensions), 1.0)


def fit_shares(items: ItemModel, answers: Array, endpoints: Array, ridge: float) -> Array:
    """The shares lambda_k of K endpoints, K x D abilities, in a candidate's ability.

    `answers`, 0 or 1, are those to the `items`. Shares are neither confined to [0, 1] nor to a sum
    of 1: a merge may be better than all that it is made of. The penalty ridge / 2 times
    sum (lambda_k - 1/K)^2, a normal prior, keeps them finite where all answers are right or all are
    wrong.
    """
    count = len(endpoints)
    return _fit(items, answers, endpoints, np.full(count, 1 / count), ridge)


def _fit(items: ItemModel, answers: Array, basis: Array, centre: Array, ridge: float) -> Array:
    """Coefficients of the rows of `basis` that make the answers likeliest, from `centre`."""

    def penalised(point: Array) -> tuple[float, Array]:
        ability = point @ basis
        logits = items.logits(ability)
        off = point - centre
        slope = (expit(logits) - answers) @ items.slopes(ability)
        value = surprise(logits, answers) + 0.5 * ridge * float(off @ off)
        return value, basis @ slope + ridge * off

    found = minimize(penalised, centre, jac=True, method="L-BFGS-B", options={"ftol": 1e-12})
    return np.asarray(found.x)
