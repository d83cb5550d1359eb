"""What a stage's candidates are scored on, and what follows for all items. Settled once a stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.allocation_spec import Estimator
from search.item_response.abilities import fit_shares
from search.item_response.estimators import gmp_irt, mp_irt, weighted
from search.item_response.model import Array, ItemModel

Scores = Mapping[str, Sequence[float]]
"""Item scores in [0, 1] by task."""


@dataclass(frozen=True)
class TaskAnchors:
    """The items of a task that stand for all `count` of them.

    `places` are in order, `weights` sum to 1. Scores from `threshold` on are right answers to the
    item model; `delta` is how far the scores on the anchors themselves are trusted.
    """

    places: tuple[int, ...]
    weights: tuple[float, ...]
    count: int
    threshold: float
    delta: float


@dataclass(frozen=True, eq=False)
class Design:
    """The anchors by task, and the item model of all items, one task's after the other.

    `endpoints` are the K x D abilities of the models that are merged.
    """

    anchors: Mapping[str, TaskAnchors]
    items: ItemModel
    endpoints: Array
    ridge: float
    estimator: Estimator

    def estimates(self, scores: Scores) -> dict[str, float]:
        """The accuracy on all items of each task, in [0, 1], from the scores on its anchors.

        The scores are in the order of the anchors' places.
        """
        if self.estimator == "mean":
            return {task: sum(scores[task]) / len(scores[task]) for task in self.anchors}
        averages = self.averages(scores)
        if self.estimator == "weighted":
            return averages
        expected = self.probabilities(scores)
        found = {}
        for task, anchors in self.anchors.items():
            mixed = mp_irt(averages[task], expected[task], np.array(anchors.places))
            delta = anchors.delta if self.estimator == "gmp_irt" else 0.0
            found[task] = gmp_irt(averages[task], mixed, delta)
        return found

    def averages(self, scores: Scores) -> dict[str, float]:
        """The weighted mean of the scores on the anchors, by task."""
        return {
            task: weighted(np.array(scores[task]), np.array(anchors.weights))
            for task, anchors in self.anchors.items()
        }

    def probabilities(self, scores: Scores) -> dict[str, Array]:
        """Of a right answer to each of all items, by task."""
        answers = [
            np.array(scores[task]) >= anchors.threshold for task, anchors in self.anchors.items()
        ]
        seen = self.items.only(self._seen)
        answered = np.concatenate(answers).astype(np.float64)
        shares = fit_shares(seen, answered, self.endpoints, self.ridge)
        expected = self.items.probabilities(shares @ self.endpoints)
        return dict(zip(self.anchors, np.split(expected, self._ends[:-1]), strict=True))

    @cached_property
    def _ends(self) -> NDArray[np.intp]:
        return np.cumsum([anchors.count for anchors in self.anchors.values()])

    @cached_property
    def _seen(self) -> NDArray[np.intp]:
        starts = [0, *self._ends[:-1]]
        places = [np.array(anchors.places) for anchors in self.anchors.values()]
        return np.concatenate([at + start for at, start in zip(places, starts, strict=True)])

    def to_data(self) -> dict[str, Any]:
        """As JSON can hold it; `from_data` gives an equal design back."""
        return {
            "anchors": {task: asdict(anchors) for task, anchors in self.anchors.items()},
            "discrimination": self.items.discrimination.tolist(),
            "difficulty": self.items.difficulty.tolist(),
            "endpoints": self.endpoints.tolist(),
            "ridge": self.ridge,
            "estimator": self.estimator,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Design:
        """The inverse of `to_data`."""
        anchors = {
            task: TaskAnchors(
                **(one | {"places": tuple(one["places"]), "weights": tuple(one["weights"])})
            )
            for task, one in data["anchors"].items()
        }
        items = ItemModel(np.array(data["discrimination"]), np.array(data["difficulty"]))
        endpoints = np.array(data["endpoints"])
        return cls(anchors, items, endpoints, data["ridge"], data["estimator"])
