"""Item response theory: what each item asks of a model, from who answered it right.

Multi-dimensional, with two parameters an item (2PL). A model of ability theta, a vector of D
numbers, answers item i right with probability

    P_i(theta) = sigmoid(sum over d of clip(a_id theta_d - b_i, -30, 30)),

a_i its discrimination, b_i its difficulty. The difficulty is inside the sum, as in MERGE3 (arXiv
2502.10436) and its code, so it counts D times.

Items and abilities are fitted together, as the mode of their posterior:

    theta_d ~ N(0, 1),  a_id ~ N(m_d, 1),  D b_i ~ N(D m_b, 4),  m_d, D m_b ~ N(0, 100).

The means m are fitted with the rest, so an item that says little of itself is taken to be like the
others. Their spreads are not: where few models have answered, the mode lies at a spread of zero,
which would make all items alike. Nor does a mode settle the scale of abilities against that of
discriminations, which the answers say nothing of: in the end it is such that the abilities of the
models have a mean square of 1 in each dimension.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

Array = NDArray[np.float64]

CLIP = 30.0
"""No summand of a logit is larger."""
SPREAD_OF_DISCRIMINATION = 1.0
SPREAD_OF_DIFFICULTY = 2.0
"""Of D times the difficulty, which is what counts in the logit."""
SPREAD_OF_MEANS = 10.0


@dataclass(frozen=True, eq=False)
class ItemModel:
    """N items in D dimensions: `discrimination` is N x D, `difficulty` has N entries."""

    discrimination: Array
    difficulty: Array

    def logits(self, ability: Array) -> Array:
        """Of a right answer to each item, N of them, given D abilities."""
        return np.asarray(self._summands(ability).clip(-CLIP, CLIP).sum(axis=1))

    def probabilities(self, ability: Array) -> Array:
        """Of a right answer to each item, N of them, given D abilities."""
        return np.asarray(expit(self.logits(ability)))

    def slopes(self, ability: Array) -> Array:
        """The derivatives of the N logits in the D abilities, N x D."""
        return np.where(np.abs(self._summands(ability)) < CLIP, self.discrimination, 0.0)

    def only(self, items: Array | NDArray[np.intp]) -> ItemModel:
        """The model of some of the items, by their places."""
        return ItemModel(self.discrimination[items], self.difficulty[items])

    def _summands(self, ability: Array) -> Array:
        return self.discrimination * ability - self.difficulty[:, None]


def surprise(logits: Array, answers: Array) -> float:
    """The negative log-likelihood of answers, 0 or 1, in nats."""
    return float(np.logaddexp(0.0, np.where(answers > 0, -logits, logits)).sum())


def fit_items(answers: Array, dimensions: int) -> ItemModel:
    """The items of an M x N matrix of answers, 0 or 1: a row a model, a column an item.

    Deterministic. Raises ValueError for a matrix without entries, or with others than 0 and 1.
    """
    if answers.ndim != 2 or not answers.size:
        raise ValueError("no answers to fit items to")
    if not np.isin(answers, (0.0, 1.0)).all():
        raise ValueError("answers must be 0 or 1")
    start = _start(answers, dimensions)
    found = minimize(
        posterior_loss,
        start,
        args=(answers, dimensions),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 500, "maxcor": 20},
    )
    ability, discrimination, difficulty, _, _ = _parts(found.x, answers.shape, dimensions)
    return ItemModel(discrimination * np.sqrt((ability**2).mean(axis=0)), difficulty.copy())


def posterior_loss(point: Array, answers: Array, dimensions: int) -> tuple[float, Array]:
    """The negative log-posterior of a fit, up to a constant, and its gradient.

    `point` holds abilities M x D, discriminations N x D, N difficulties, and the means of the last
    two, D and 1.
    """
    ability, discrimination, difficulty, mean, mean_difficulty = _parts(
        point, answers.shape, dimensions
    )
    summands = ability[:, None, :] * discrimination - difficulty[:, None]
    inside = np.abs(summands) < CLIP
    logits = summands.clip(-CLIP, CLIP).sum(axis=2)
    above = discrimination - mean
    harder = dimensions * (difficulty - mean_difficulty)
    a, b, m = SPREAD_OF_DISCRIMINATION**-2, SPREAD_OF_DIFFICULTY**-2, SPREAD_OF_MEANS**-2
    value = surprise(logits, answers) + 0.5 * (
        (ability**2).sum()
        + a * (above**2).sum()
        + b * (harder**2).sum()
        + m * ((mean**2).sum() + (dimensions * mean_difficulty) ** 2)
    )
    error = (expit(logits) - answers)[:, :, None] * inside
    gradient = np.concatenate(
        [
            (np.einsum("mnd,nd->md", error, discrimination) + ability).ravel(),
            (np.einsum("mnd,md->nd", error, ability) + a * above).ravel(),
            -error.sum(axis=(0, 2)) + b * dimensions * harder,
            m * mean - a * above.sum(axis=0),
            [m * dimensions**2 * mean_difficulty - b * dimensions * harder.sum()],
        ]
    )
    return value, gradient


def _parts(
    point: Array, shape: tuple[int, ...], dimensions: int
) -> tuple[Array, Array, Array, Array, float]:
    """What a point of `posterior_loss` holds."""
    models, items = shape
    cuts = np.cumsum([models * dimensions, items * dimensions, items, dimensions])
    ability, discrimination, difficulty, mean, mean_difficulty = np.split(point, cuts)
    return (
        ability.reshape(models, dimensions),
        discrimination.reshape(items, dimensions),
        difficulty,
        mean,
        float(mean_difficulty[0]),
    )


def _start(answers: Array, dimensions: int) -> Array:
    """Abilities by the share of right answers, then along what that leaves unexplained."""
    models, items = answers.shape
    share = answers.mean(axis=0)
    ability = np.zeros((models, dimensions))
    discrimination = np.zeros((items, dimensions))
    right = answers.mean(axis=1)
    ability[:, 0] = (right - right.mean()) / (right.std() or 1.0)
    discrimination[:, 0] = 1.0
    left = answers - share - (right - right.mean())[:, None]
    vectors, sizes, axes = np.linalg.svd(left, full_matrices=False)
    for d in range(1, min(dimensions, len(sizes) + 1)):
        # A singular vector has two signs; which one must not be the library's choice.
        sign = np.sign(axes[d - 1][np.abs(axes[d - 1]).argmax()]) or 1.0
        ability[:, d] = sign * vectors[:, d - 1] * models**0.5
        discrimination[:, d] = sign * axes[d - 1] * sizes[d - 1]
    difficulty = -np.log((share * models + 0.5) / ((1 - share) * models + 0.5)) / dimensions
    return np.concatenate(
        [
            ability.ravel(),
            discrimination.ravel(),
            difficulty,
            discrimination.mean(axis=0),
            [difficulty.mean()],
        ]
    )
