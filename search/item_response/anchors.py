"""Which items stand for all of them, and how many each stands for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from search.item_response.model import Array, ItemModel

_ROUNDS = 100
_RESTARTS = 5


def random_anchors(
    count: int, n: int, random: np.random.Generator
) -> tuple[NDArray[np.intp], Array]:
    """Places of n of `count` items, in order, and their weights, which are equal and sum to 1."""
    n = min(n, count)
    places = np.sort(random.choice(count, n, replace=False))
    return places.astype(np.intp), np.full(n, 1 / n)


def clustered_anchors(
    items: ItemModel, n: int, random: np.random.Generator
) -> tuple[NDArray[np.intp], Array]:
    """Places of n items, in order, and their weights, which sum to 1.

    k-means of the features [a_i; b_i]; an anchor is its cluster's item that is nearest to the
    centre, and weighs the share of items in the cluster (tinyBenchmarks). Items may have the same
    features, so that there are fewer clusters than n. Then the clusters with the most items for
    each anchor get another, and share their weight out.
    """
    features = np.column_stack([items.discrimination, items.difficulty])
    count = len(features)
    if n >= count:
        return np.arange(count), np.full(count, 1 / count)
    centres = min(
        (_k_means(features, n, random) for _ in range(_RESTARTS)),
        key=lambda centres: _distances(features, centres).min(axis=1).sum(),
    )
    distances = _distances(features, centres)
    nearest = distances.argmin(axis=1)
    members = {int(k): np.flatnonzero(nearest == k) for k in np.unique(nearest)}
    wanted = dict.fromkeys(members, 1)
    while sum(wanted.values()) < n:
        open_ = [k for k in members if wanted[k] < len(members[k])]
        wanted[max(open_, key=lambda k: (len(members[k]) / wanted[k], -k))] += 1
    weights = np.zeros(count)
    for k, number in wanted.items():
        order = members[k][np.argsort(distances[members[k], k], kind="stable")]
        weights[order[:number]] = len(members[k]) / count / number
    places = np.flatnonzero(weights)
    return places, weights[places]


def _k_means(features: Array, n: int, random: np.random.Generator) -> Array:
    """Up to n centres, spread at random as k-means++ does, then Lloyd's rounds."""
    centres = features[[random.integers(len(features))]]
    while len(centres) < n:
        distances = _distances(features, centres).min(axis=1)
        if not distances.sum() > 0:
            break
        chosen = random.choice(len(features), p=distances / distances.sum())
        centres = np.vstack([centres, features[chosen]])
    for _ in range(_ROUNDS):
        nearest = _distances(features, centres).argmin(axis=1)
        moved = np.array(
            [
                features[nearest == k].mean(axis=0) if (nearest == k).any() else centres[k]
                for k in range(len(centres))
            ]
        )
        if np.array_equal(moved, centres):
            break
        centres = moved
    return centres


def _distances(features: Array, centres: Array) -> Array:
    """Squared, an item by a centre."""
    return np.asarray(((features[:, None, :] - centres) ** 2).sum(axis=2))
