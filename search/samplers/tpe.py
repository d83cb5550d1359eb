"""Tree-structured Parzen estimator by Optuna (Watanabe, arXiv 2304.11127)."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.samplers import TPESampler

from search.gene import Gene
from search.samplers.study import StudyStrategy


def parzen(
    genes: Sequence[Gene], seed: int, *, batch: int, startup: int, objectives: int
) -> StudyStrategy:
    """Multivariate TPE over finished generations, after `startup` uniform trials.

    The trials of a generation are drawn from one model by generators of their own, which keeps
    them apart. Several objectives are ranked by non-domination and hypervolume (Ozaki et al.,
    "Multiobjective tree-structured Parzen estimator", JAIR 73, 2022).
    """

    def make(seed: int) -> TPESampler:
        return TPESampler(
            seed=seed, n_startup_trials=startup, multivariate=True, constant_liar=False
        )

    return StudyStrategy(genes, seed, make, batch=batch, startup=startup, objectives=objectives)
