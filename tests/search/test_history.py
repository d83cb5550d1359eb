"""Trials of another search, told to a sampler before its own."""

from __future__ import annotations

import pytest

from search.errors import SamplerError, SpaceError
from search.gene import Gene
from search.history import known_genomes, recall, started
from search.sampler_spec import CmaesSettings, TpeSettings
from search.samplers import make_sampler
from search.warm_start_spec import KnownTrial

GENES = (Gene("a", 0.0, 1.0, 0.5), Gene("b", -1.0, 1.0, 0.0))
TRIALS = [
    KnownTrial(genes={"b": 0.8, "a": n / 100}, fitness=1 - (n / 100 - 0.9) ** 2) for n in range(100)
]
TPE = TpeSettings(kind="tpe", batch=10, startup=10)
CMAES = CmaesSettings(kind="cmaes", population=6, sigma=0.02)


def test_genomes_follow_the_order_of_the_genes() -> None:
    assert known_genomes(GENES, TRIALS)[3] == ((0.03, 0.8), TRIALS[3].fitness)


@pytest.mark.parametrize(
    ("genes", "message"),
    [
        ({"a": 0.5}, "trial 0 lacks the gene 'b'"),
        ({"a": 0.5, "b": 0.0, "c": 1.0}, "has a gene 'c', which this stage has not"),
        ({"a": 1.5, "b": 0.0}, "gene 'a' is 1.5, outside 0 to 1"),
    ],
)
def test_a_gene_that_does_not_agree_is_named(genes: dict[str, float], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        known_genomes(GENES, [KnownTrial(genes=genes, fitness=0.5)])


def test_tpe_draws_near_what_was_good_without_a_trial_of_its_own() -> None:
    known = known_genomes(GENES, TRIALS)
    cold = make_sampler(TPE, GENES, 1)
    warm = make_sampler(TPE, started(GENES, TPE, known), 1)
    recall(warm, TPE, known)
    assert warm.next_number == 0
    near, far = warm.ask(10), cold.ask(10)
    assert sum(abs(a - 0.9) for a, _ in near) < sum(abs(a - 0.9) for a, _ in far) / 2
    with pytest.raises(SamplerError, match="before the first trial"):
        recall(warm, TPE, known)


def test_cmaes_starts_at_the_best_known_genome() -> None:
    known = known_genomes(GENES, TRIALS)
    sampler = make_sampler(CMAES, started(GENES, CMAES, known), 1)
    recall(sampler, CMAES, known)
    assert all(abs(a - 0.9) < 0.1 and abs(b - 0.8) < 0.1 for a, b in sampler.ask(6))
