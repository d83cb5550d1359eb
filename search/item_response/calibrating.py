"""A design from models that were scored whole: endpoints, and children of a search.

How many dimensions the abilities have, how strong the prior on shares is and how far the item model
is trusted are decided by children that are left out in turn: an item model that never saw them has
to foretell their answers to all other items from those to its anchors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from search.allocation_spec import AnchorsAllocation
from search.item_response.abilities import fit_ability
from search.item_response.anchors import clustered_anchors, random_anchors
from search.item_response.design import Design, Scores, TaskAnchors
from search.item_response.estimators import best_delta, threshold
from search.item_response.model import Array, ItemModel, fit_items
from search.samplers.seeding import generator

DIMENSIONS = (1, 2, 3)
RIDGES = (0.01, 0.1, 1.0)
FOLDS = 5

# A stream of random numbers of its own, apart from those of trials, which count from 0.
_CHOICE = -2 % 2**32
# No single wrong prediction decides between settings.
_DOUBT = 1e-3


@dataclass(frozen=True)
class Calibrated:
    """A design, and what is expected of it: `errors` is the mean absolute error by task."""

    design: Design
    errors: Mapping[str, float]


def calibrate(
    endpoints: Sequence[Scores], children: Sequence[Scores], settings: AnchorsAllocation, seed: int
) -> Calibrated:
    """The design that follows from the scores on all items of at least one endpoint, two children.

    Deterministic. The errors are those of the chosen estimator on children left out; the delta has
    seen them, so they are a little low. Raises ValueError for fewer models.
    """
    if not endpoints or len(children) < 2:
        raise ValueError("anchors need an endpoint and two children that were scored whole")
    cuts = {
        task: threshold(np.array([one[task] for one in [*endpoints, *children]]))
        for task in endpoints[0]
    }
    tried = [
        _held_out(endpoints, children, cuts, dimensions=dimensions, settings=settings, seed=seed)
        for dimensions in DIMENSIONS
    ]
    best = max((one for group in tried for one in group), key=lambda one: one.likelihood)
    deltas = _deltas(best, settings)
    rows = [*endpoints, *children]
    items = fit_items(_matrix(rows, cuts), best.dimensions)
    design = _design(
        items,
        endpoints,
        cuts,
        settings=settings,
        seed=seed,
        ridge=best.ridge,
        deltas=deltas,
    )
    return Calibrated(design, _errors(best, deltas))


@dataclass(frozen=True)
class _Held:
    """How settings did on the children left out: their scores and the designs that judged them."""

    dimensions: int
    ridge: float
    likelihood: float
    judged: Sequence[tuple[Design, Scores]]


def _held_out(
    endpoints: Sequence[Scores],
    children: Sequence[Scores],
    cuts: Mapping[str, float],
    *,
    dimensions: int,
    settings: AnchorsAllocation,
    seed: int,
) -> list[_Held]:
    """Every ridge on every child."""
    judged: dict[float, list[tuple[Design, Scores]]] = {ridge: [] for ridge in RIDGES}
    folds = min(FOLDS, len(children))
    for fold in range(folds):
        train = [one for at, one in enumerate(children) if at % folds != fold]
        items = fit_items(_matrix([*endpoints, *train], cuts), dimensions)
        design = _design(
            items, endpoints, cuts, settings=settings, seed=seed, ridge=RIDGES[0], deltas={}
        )
        for ridge in RIDGES:
            tried = replace(design, ridge=ridge)
            judged[ridge] += [(tried, one) for one in children[fold::folds]]
    return [
        _Held(dimensions, ridge, sum(_likelihood(*one) for one in pairs), pairs)
        for ridge, pairs in judged.items()
    ]


def _likelihood(design: Design, whole: Scores) -> float:
    """The log-likelihood of the answers to all items that are no anchors, in nats."""
    expected = design.probabilities(_on_anchors(design, whole))
    total = 0.0
    for task, anchors in design.anchors.items():
        answers = np.delete(np.array(whole[task]) >= anchors.threshold, anchors.places)
        chances = np.delete(expected[task], anchors.places).clip(_DOUBT, 1 - _DOUBT)
        total += float(np.log(np.where(answers, chances, 1 - chances)).sum())
    return total


def _deltas(held: _Held, settings: AnchorsAllocation) -> dict[str, float]:
    """By task: the setting's, or what the errors on the children left out make of it."""
    tasks = held.judged[0][0].anchors
    if settings.delta is not None:
        return dict.fromkeys(tasks, settings.delta)
    misses: dict[str, list[float]] = {task: [] for task in tasks}
    variances: dict[str, list[float]] = {task: [] for task in tasks}
    for design, whole in held.judged:
        expected = design.probabilities(_on_anchors(design, whole))
        for task, anchors in design.anchors.items():
            unseen = np.delete(np.array(whole[task]), anchors.places)
            if unseen.size:
                foretold = np.delete(expected[task], anchors.places)
                misses[task].append(abs(float(foretold.mean() - unseen.mean())))
            variances[task].append(float(np.var(whole[task])))
    return {
        task: best_delta(_mean(misses[task]), _mean(variances[task]), len(anchors.places))
        for task, anchors in tasks.items()
    }


def _errors(held: _Held, deltas: Mapping[str, float]) -> dict[str, float]:
    found: dict[str, list[float]] = {task: [] for task in deltas}
    for design, whole in held.judged:
        anchors = {task: replace(one, delta=deltas[task]) for task, one in design.anchors.items()}
        estimates = replace(design, anchors=anchors).estimates(_on_anchors(design, whole))
        for task, estimate in estimates.items():
            found[task].append(abs(estimate - _mean(whole[task])))
    return {task: _mean(errors) for task, errors in found.items()}


def _design(
    items: ItemModel,
    endpoints: Sequence[Scores],
    cuts: Mapping[str, float],
    *,
    settings: AnchorsAllocation,
    seed: int,
    ridge: float,
    deltas: Mapping[str, float],
) -> Design:
    random = generator(seed, _CHOICE)
    anchors, start = {}, 0
    for task, cut in cuts.items():
        count = len(endpoints[0][task])
        if settings.choice == "random":
            places, weights = random_anchors(count, settings.n, random)
        else:
            mine = items.only(np.arange(start, start + count))
            places, weights = clustered_anchors(mine, settings.n, random)
        start += count
        anchors[task] = TaskAnchors(
            tuple(places.tolist()), tuple(weights.tolist()), count, cut, deltas.get(task, 0.0)
        )
    abilities = np.array([fit_ability(items, row) for row in _matrix(endpoints, cuts)])
    return Design(anchors, items, abilities, ridge, settings.estimator)


def _on_anchors(design: Design, whole: Scores) -> dict[str, list[float]]:
    return {
        task: [whole[task][at] for at in anchors.places] for task, anchors in design.anchors.items()
    }


def _matrix(rows: Sequence[Scores], cuts: Mapping[str, float]) -> Array:
    """Answers, 0 or 1: a row a model, all tasks' items side by side."""
    return np.column_stack(
        [np.array([row[task] for row in rows]) >= cut for task, cut in cuts.items()]
    ).astype(np.float64)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
