"""Importance and sensitivity, on functions whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from search.errors import SearchError
from search.gene import Gene
from search.importance import FEWEST, Scored, importances, sensitivity

GENES = [Gene("steep", 0.0, 2.0, 1.0), Gene("shallow", -1.0, 1.0, 0.0), Gene("idle", 0.0, 1.0, 0.5)]


def _trials(n: int, noise: float = 0.0) -> list[Scored]:
    draws = np.random.default_rng(3)
    low, high = np.array([g.low for g in GENES]), np.array([g.high for g in GENES])
    genomes = draws.uniform(low, high, (n, 3))
    fitness = 1 - (genomes[:, 0] - 1.5) ** 2 + 0.1 * genomes[:, 1] + noise * draws.normal(size=n)
    return [
        Scored(number, tuple(genome), float(value))
        for number, (genome, value) in enumerate(zip(genomes.tolist(), fitness, strict=True))
    ]


def test_the_gene_that_decides_is_the_most_important() -> None:
    found = importances(GENES, _trials(300, noise=0.01))
    assert next(iter(found)) == "steep"
    assert found["steep"] > 5 * found["idle"]
    assert sum(found.values()) == pytest.approx(1)


def test_too_few_trials_or_no_difference_say_so() -> None:
    with pytest.raises(SearchError, match=f"needs {FEWEST} scored trials, there are 5"):
        importances(GENES, _trials(5))
    with pytest.raises(SearchError, match="same fitness"):
        importances(GENES, [Scored(one.number, one.genome, 0.5) for one in _trials(30)])
    with pytest.raises(SearchError, match="3 genes need 12 scored trials, there are 11"):
        sensitivity(GENES, _trials(11))


def test_a_quadratic_is_found_exactly() -> None:
    trials = _trials(200)
    found = sensitivity(GENES, trials)
    best = max(trials, key=lambda trial: trial.fitness)
    steep, shallow, idle = found.slopes
    assert (found.around, found.form, found.n) == (best.number, "quadratic", 50)
    assert steep.slope == pytest.approx(-2 * (best.genome[0] - 1.5))
    assert steep.curvature == pytest.approx(-1.0)
    assert shallow.slope == pytest.approx(0.1)
    assert shallow.curvature == pytest.approx(0, abs=1e-9)
    assert idle.slope == pytest.approx(0, abs=1e-9)
    assert found.noise == pytest.approx(0, abs=1e-9)


def test_few_trials_allow_a_line_and_its_interval_holds_the_slope() -> None:
    draws = np.random.default_rng(5)
    inside = 0
    for _ in range(200):
        genomes = draws.uniform([0, -1, 0], [2, 1, 1], (15, 3))
        fitness = 0.3 * genomes[:, 0] + 0.1 * draws.normal(size=15)
        trials = [
            Scored(n, tuple(g), float(f))
            for n, (g, f) in enumerate(zip(genomes.tolist(), fitness, strict=True))
        ]
        found = sensitivity(GENES, trials)
        assert found.form == "linear"
        low, high = found.slopes[0].low, found.slopes[0].high
        assert low is not None
        assert high is not None
        inside += low <= 0.3 <= high
    # The normal quantile on 11 degrees of freedom covers a little less than 95 %.
    assert inside >= 170


def test_a_gene_that_never_moves_has_no_slope() -> None:
    trials = [Scored(t.number, (*t.genome[:2], 0.5), t.fitness) for t in _trials(60)]
    assert sensitivity(GENES, trials).slopes[2].slope is None
