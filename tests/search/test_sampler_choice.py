"""The sampler of a stage that names none."""

from __future__ import annotations

from search.sampler_choice import chosen_sampler, default_sampler
from search.sampler_spec import CmaesSettings
from search.samplers import SINGLE, make_sampler
from search.spec import SearchSpec
from tests.search.problems import GENES, MIXED
from tests.search.specs import spec_data


def test_a_sampler_may_be_left_out() -> None:
    data = spec_data()
    data["stages"][0].pop("sampler")
    stage = SearchSpec.parse(data).stages[0]
    assert stage.sampler is None
    assert chosen_sampler(stage, GENES) == default_sampler(GENES, 300)


def test_a_sampler_that_is_named_is_kept() -> None:
    stage = SearchSpec.parse(spec_data()).stages[0]
    assert chosen_sampler(stage, GENES) == CmaesSettings(kind="cmaes", population=10, sigma=0.25)


def test_there_is_a_default_for_every_budget_and_number_of_objectives() -> None:
    for genes in (GENES, MIXED, ()):
        for trials in (1, 60, 61, 500, 100_000):
            for objectives in (1, 2, 3, 4, 9):
                settings = default_sampler(genes, trials, objectives)
                assert objectives == 1 or settings.kind not in SINGLE
                assert make_sampler(settings, genes, 1, objectives=objectives).ask(1)


def test_few_trials_of_switches_begin_from_where_they_start() -> None:
    assert default_sampler(GENES, 50).kind == "tpe"
    assert default_sampler(MIXED, 50).kind == "cmaes"
    assert default_sampler(GENES, 200).kind == "cmaes"
