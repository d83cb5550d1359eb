"""Which genes mattered, and how fitness changes around the best: from trials already there.

Importance is PED-ANOVA's (Watanabe, Bansal and Hutter, "PED-ANOVA: Efficiently Quantifying
Hyperparameter Importance in Arbitrary Subspaces", arXiv 2304.10255): how far the best tenth of the
trials are, gene by gene, from all of them. It says what had to be right to be among the best, as
far as the search has looked.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import optuna

from search.errors import SearchError
from search.gene import Gene, Genome

FEWEST = 20
"""Of fewer trials the best tenth is no group to speak of."""
_Z = 1.959963984540054
_PER_TERM = 3


@dataclass(frozen=True)
class Scored:
    """A trial that was scored whole."""

    number: int
    genome: Genome
    fitness: float


@dataclass(frozen=True)
class Slope:
    """How fitness changes with one gene at the best trial, with a 95 % interval.

    `slope` is fitness per unit of the gene, `curvature` half the second derivative, if it was
    fitted. All are None where the gene does not vary among the trials that were used.
    """

    gene: str
    slope: float | None
    low: float | None
    high: float | None
    curvature: float | None


@dataclass(frozen=True)
class Sensitivity:
    """A least-squares fit to the `n` trials nearest to trial `around`; `noise` is the standard
    deviation of what it leaves unexplained."""

    around: int
    form: Literal["linear", "quadratic"]
    n: int
    noise: float
    slopes: tuple[Slope, ...]


def importances(genes: Sequence[Gene], trials: Sequence[Scored]) -> dict[str, float]:
    """The share of each gene, most important first; shares sum to 1, or are all 0 where the best
    trials differ from the others in no gene.

    Raises SearchError for fewer than `FEWEST` trials, and where all have one fitness.
    """
    if not genes:
        raise SearchError("there are no genes")
    if len(trials) < FEWEST:
        raise SearchError(f"importance needs {FEWEST} scored trials, there are {len(trials)}")
    if len({trial.fitness for trial in trials}) == 1:
        raise SearchError("all trials have the same fitness, so no gene mattered")
    space = {
        gene.name: optuna.distributions.FloatDistribution(gene.low, gene.high) for gene in genes
    }
    study = optuna.create_study(direction="maximize")
    study.add_trials(
        [
            optuna.trial.create_trial(
                params=dict(zip(space, trial.genome, strict=True)),
                distributions=dict(space),
                value=trial.fitness,
            )
            for trial in trials
        ]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in found.items()}


def sensitivity(genes: Sequence[Gene], trials: Sequence[Scored]) -> Sensitivity:
    """Slopes at the best trial, from its nearest neighbours among the trials.

    Genes are divided by their range. The fit is quadratic in every gene, without products of two,
    where three trials a term allow that, else linear. It uses the nearest quarter of the trials,
    or as many as it needs. The intervals are those of ordinary least squares with the normal
    quantile: they take the form for true, and the trials for independent draws.

    Raises SearchError where there are too few trials even for a line.
    """
    best = min(trials, key=lambda trial: (-trial.fitness, trial.number), default=None)
    linear, quadratic = 1 + len(genes), 1 + 2 * len(genes)
    if best is None or len(trials) < _PER_TERM * linear:
        message = f"{len(genes)} genes need {_PER_TERM * linear} scored trials"
        raise SearchError(f"sensitivity: {message}, there are {len(trials)}")
    curved = len(trials) >= _PER_TERM * quadratic
    ranges = np.array([gene.high - gene.low for gene in genes])
    steps = (np.array([trial.genome for trial in trials]) - np.array(best.genome)) / ranges
    wanted = max(_PER_TERM * (quadratic if curved else linear), math.ceil(len(trials) / 4))
    nearest = np.argsort((steps**2).sum(axis=1), kind="stable")[:wanted]
    steps = steps[nearest]
    fitness = np.array([trials[index].fitness for index in nearest.tolist()])
    varying = [index for index in range(len(genes)) if np.ptp(steps[:, index]) > 0]
    columns = [np.ones(len(steps)), *(steps[:, index] for index in varying)]
    if curved:
        columns += [steps[:, index] ** 2 for index in varying]
    design = np.stack(columns, axis=1)
    inverse = np.linalg.pinv(design.T @ design)
    terms = inverse @ design.T @ fitness
    left = max(1, len(fitness) - np.linalg.matrix_rank(design))
    variance = float(((fitness - design @ terms) ** 2).sum()) / left
    errors = np.sqrt(np.clip(np.diag(inverse), 0, None) * variance)
    slopes = []
    for index, gene in enumerate(genes):
        if index not in varying:
            slopes.append(Slope(gene.name, None, None, None, None))
            continue
        place = 1 + varying.index(index)
        unit = float(ranges[index])
        slope, error = float(terms[place]) / unit, float(errors[place]) / unit
        bend = float(terms[place + len(varying)]) / unit**2 if curved else None
        slopes.append(Slope(gene.name, slope, slope - _Z * error, slope + _Z * error, bend))
    form: Literal["linear", "quadratic"] = "quadratic" if curved else "linear"
    return Sensitivity(best.number, form, len(steps), math.sqrt(variance), tuple(slopes))
