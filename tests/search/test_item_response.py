"""Item response theory: fits against their gradients and the truth, estimators against formulas."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.allocation_spec import AnchorsAllocation, Estimator
from search.errors import SpecError
from search.item_response.abilities import fit_ability, fit_shares
from search.item_response.anchors import clustered_anchors, random_anchors
from search.item_response.calibrating import calibrate
from search.item_response.design import Design, Scores, TaskAnchors
from search.item_response.estimators import best_delta, gmp_irt, mp_irt, threshold, weighted
from search.item_response.model import CLIP, Array, ItemModel, fit_items, posterior_loss
from search.spec import SearchSpec
from tests.zoo_spec import zoo_spec


def draw(random: np.random.Generator, items: ItemModel, abilities: Array) -> Array:
    chances = np.array([items.probabilities(one) for one in abilities])
    return (random.random(chances.shape) < chances).astype(np.float64)


def some_items(random: np.random.Generator, count: int, dimensions: int = 1) -> ItemModel:
    discrimination = random.lognormal(0, 0.4, (count, dimensions))
    return ItemModel(discrimination, random.normal(0, 1, count) / dimensions)


def rows(answers: Array, *cuts: int) -> list[Scores]:
    """The answers as scores of tasks t0, t1, ... that end at the cuts."""
    parts = np.split(answers, cuts, axis=1)
    return [
        {f"t{k}": part[at].tolist() for k, part in enumerate(parts)} for at in range(len(answers))
    ]


def anchors(**more: object) -> AnchorsAllocation:
    return AnchorsAllocation.model_validate({"kind": "anchors"} | more)


def test_probabilities_are_the_formula_with_the_difficulty_in_the_sum() -> None:
    items = ItemModel(np.array([[1.5, -2.0], [40.0, 1.0]]), np.array([0.3, -0.2]))
    ability = np.array([0.7, 0.4])

    def chance(a: Sequence[float], b: float) -> float:
        logit = sum(max(-30, min(30, x * t - b)) for x, t in zip(a, ability, strict=True))
        return 1 / (1 + math.exp(-logit))

    expected = [chance((1.5, -2.0), 0.3), chance((40.0, 1.0), -0.2)]
    assert items.probabilities(ability) == pytest.approx(expected)
    # Beyond the clip a summand moves nothing.
    far = np.array([10.0, 0.4])
    assert items.logits(far)[1] == pytest.approx(CLIP + 0.6)
    assert items.slopes(far)[1].tolist() == [0.0, 1.0]


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_the_gradient_of_theposterior_loss(dimensions: int) -> None:
    random = np.random.default_rng(dimensions)
    answers = (random.random((5, 7)) < 0.6).astype(np.float64)
    # Abilities, discriminations, difficulties, and the means of the last two.
    point = random.normal(0, 1, (5 + 7 + 1) * dimensions + 7 + 1)
    _, gradient = posterior_loss(point, answers, dimensions)
    for at, step in enumerate(np.eye(len(point)) * 1e-5):
        above, _ = posterior_loss(point + step, answers, dimensions)
        below, _ = posterior_loss(point - step, answers, dimensions)
        assert gradient[at] == pytest.approx((above - below) / 2e-5, abs=1e-6)


def test_items_are_recovered_from_many_answers() -> None:
    random = np.random.default_rng(3)
    items = some_items(random, 30)
    answers = draw(random, items, random.normal(0, 1, (1500, 1)))
    found = fit_items(answers, 1)
    assert np.abs(found.difficulty - items.difficulty).mean() < 0.12
    assert np.abs(found.discrimination - items.discrimination).mean() < 0.15


def test_the_order_of_models_and_items_changes_nothing() -> None:
    random = np.random.default_rng(4)
    answers = draw(random, some_items(random, 20), random.normal(0, 1, (15, 1)))
    found = fit_items(answers, 1)
    models, places = random.permutation(15), random.permutation(20)
    other = fit_items(answers[models][:, places], 1)
    assert other.difficulty == pytest.approx(found.difficulty[places], abs=1e-3)
    assert other.discrimination == pytest.approx(found.discrimination[places], abs=1e-3)


def test_answers_are_checked() -> None:
    with pytest.raises(ValueError, match="no answers"):
        fit_items(np.zeros((0, 3)), 1)
    with pytest.raises(ValueError, match="0 or 1"):
        fit_items(np.array([[0.5, 1.0]]), 1)


@pytest.mark.parametrize("right", [0.0, 1.0])
@pytest.mark.parametrize("count", [1, 60])
def test_all_right_and_all_wrong_stay_finite(right: float, count: int) -> None:
    """Without the ridge the shares run away and the estimate is exactly 0 or 1."""
    random = np.random.default_rng(5)
    items = some_items(random, 60, 2)
    endpoints = random.normal(-1, 1, (3, 2))
    answers = np.full(count, right)
    shares = fit_shares(items.only(np.arange(count)), answers, endpoints, 0.1)
    assert np.abs(shares).max() < 50
    chances = items.probabilities(shares @ endpoints)
    assert ((chances > 0) & (chances < 1)).all()
    assert np.abs(fit_ability(items.only(np.arange(count)), answers)).max() < 20
    fitted = fit_items(np.full((3, count), right), 2)
    assert np.isfinite(fitted.difficulty).all()


def test_an_ability_and_a_blend_are_recovered() -> None:
    random = np.random.default_rng(6)
    items = some_items(random, 2000, 2)
    endpoints = np.array([[1.0, -0.5], [-0.4, 1.2]])
    shares = np.array([0.8, 1.4])
    answers = draw(random, items, np.array([shares @ endpoints]))[0]
    assert fit_shares(items, answers, endpoints, 0.1) == pytest.approx(shares, abs=0.25)
    truth = items.probabilities(shares @ endpoints).mean()
    assert items.probabilities(fit_ability(items, answers)).mean() == pytest.approx(truth, abs=0.02)


def test_a_strong_ridge_holds_shares_at_one_in_k() -> None:
    random = np.random.default_rng(7)
    items = some_items(random, 20, 2)
    shares = fit_shares(items, np.ones(20), random.normal(0, 1, (4, 2)), 1e6)
    assert shares == pytest.approx([0.25] * 4, abs=1e-3)


def test_estimators_are_their_formulas() -> None:
    answers, weights = np.array([1.0, 0.0, 1.0]), np.array([0.5, 0.3, 0.2])
    chances = np.array([0.9, 0.1, 0.4, 0.6, 0.2])
    average = weighted(answers, weights)
    assert average == pytest.approx(0.7)
    mixed = mp_irt(average, chances, np.array([0, 2, 4]))
    assert mixed == pytest.approx(3 / 5 * 0.7 + 2 / 5 * (0.1 + 0.6) / 2)
    assert mp_irt(0.7, chances, np.arange(5)) == 0.7
    assert gmp_irt(0.7, mixed, 0.25) == pytest.approx(0.25 * 0.7 + 0.75 * mixed)
    assert best_delta(0.05, 0.2, 100) == pytest.approx(0.0025 / (0.2 / 400 + 0.0025))
    assert best_delta(0.0, 0.2, 100) == 0.0
    assert best_delta(0.0, 0.0, 100) == 1.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_a_threshold_keeps_the_mean_as_well_as_any(values: list[float]) -> None:
    scores = np.array(values)
    off = abs((scores >= threshold(scores)).mean() - scores.mean())
    others = [abs((scores >= cut).mean() - scores.mean()) for cut in values]
    assert off <= min(others) + 1e-9
    binary = np.round(scores)
    assert ((binary >= threshold(binary)) == (binary == 1)).all()


@given(st.integers(1, 30), st.integers(1, 40), st.integers(1, 4), st.integers(0, 2**32))
def test_anchors_are_distinct_and_weigh_one(count: int, n: int, kinds: int, seed: int) -> None:
    """Also where many items are the same to the item model."""
    random = np.random.default_rng(seed)
    same = some_items(random, kinds)
    items = same.only(random.integers(0, kinds, count))
    for places, weights in (
        clustered_anchors(items, n, np.random.default_rng(seed)),
        random_anchors(count, n, np.random.default_rng(seed)),
    ):
        assert len(places) == len(weights) == min(n, count)
        assert (np.diff(places) > 0).all()
        assert places[0] >= 0
        assert places[-1] < count
        assert (weights > 0).all()
        assert weights.sum() == pytest.approx(1)
    again, _ = clustered_anchors(items, n, np.random.default_rng(seed))
    assert again.tolist() == clustered_anchors(items, n, np.random.default_rng(seed))[0].tolist()


def test_an_anchor_stands_for_the_items_like_it() -> None:
    items = ItemModel(np.array([[1.0]] * 10), np.array([0.0] * 6 + [5.0, 5.1, 5.2, -9.0]))
    places, weights = clustered_anchors(items, 3, np.random.default_rng(0))
    assert dict(zip(places.tolist(), weights.tolist(), strict=True)) == pytest.approx(
        {0: 0.6, 7: 0.3, 9: 0.1}
    )


ESTIMATORS: tuple[Estimator, ...] = ("mean", "weighted", "mp_irt", "gmp_irt")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(ESTIMATORS), st.floats(0, 1))
def test_a_right_answer_more_never_lowers_an_estimate(
    seed: int, estimator: Estimator, delta: float
) -> None:
    """In one dimension, with items that the able answer better, and always within [0, 1]."""
    random = np.random.default_rng(seed)
    items = some_items(random, 20)
    places = np.sort(random.choice(20, 6, replace=False))
    one = TaskAnchors(tuple(places.tolist()), (1 / 6,) * 6, 20, 0.5, delta)
    endpoints = random.normal(0, 1, (2, 1))
    design = Design({"t": one}, items, endpoints, 0.1, estimator)
    answers = [float(value) for value in random.integers(0, 2, 6)]
    last = 0.0
    for at in (None, *range(6)):
        if at is not None:
            answers[at] = 1.0
        estimate = design.estimates({"t": answers})["t"]
        assert last - 1e-6 <= estimate <= 1
        last = estimate


def test_a_design_survives_json() -> None:
    random = np.random.default_rng(8)
    answers = draw(random, some_items(random, 24), random.normal(0, 1, (9, 1)))
    found = calibrate(rows(answers[:2], 14), rows(answers[2:], 14), anchors(n=4), 1)
    back = Design.from_data(found.design.to_data())
    assert back.to_data() == found.design.to_data()
    scores = {"t0": [1.0, 0.0, 1.0, 1.0], "t1": [0.0, 0.0, 1.0, 0.0]}
    assert back.estimates(scores) == found.design.estimates(scores)
    assert set(found.errors) == {"t0", "t1"}
    again = calibrate(rows(answers[:2], 14), rows(answers[2:], 14), anchors(n=4), 1)
    assert again.design.to_data() == found.design.to_data()


@pytest.mark.parametrize("choice", ["kmeans", "random"])
def test_from_all_items_an_estimate_is_the_truth(choice: str) -> None:
    """A task with one item is one of them: however few anchors, it is scored whole."""
    random = np.random.default_rng(9)
    answers = draw(random, some_items(random, 13), random.normal(0, 1, (9, 1)))
    found = calibrate(rows(answers[:2], 1), rows(answers[2:], 1), anchors(n=12, choice=choice), 1)
    for estimator in ESTIMATORS:
        design = Design(
            found.design.anchors, found.design.items, found.design.endpoints, 0.1, estimator
        )
        scores = {"t0": [1.0], "t1": [1.0] * 3 + [0.0] * 9}
        assert design.estimates(scores) == pytest.approx({"t0": 1.0, "t1": 0.25})


def test_scores_that_are_no_answers_are_cut_where_the_mean_stays() -> None:
    random = np.random.default_rng(10)
    values = random.beta(1, 3, (9, 40))
    found = calibrate(rows(values[:2]), rows(values[2:]), anchors(n=10), 1)
    cut = found.design.anchors["t0"].threshold
    assert (values >= cut).mean() == pytest.approx(values.mean(), abs=0.01)
    estimate = found.design.estimates({"t0": [0.5] * 10})["t0"]
    assert 0 <= estimate <= 1


def test_the_blend_is_no_worse_than_the_mean_on_children_like_those_before() -> None:
    """Sixty fresh blends of the same parents, 20 of 200 items each."""
    random = np.random.default_rng(11)
    items = some_items(random, 200, 2)
    endpoints = random.normal(0, 1, (3, 2))
    shares = random.dirichlet([1, 1, 1], 90) * random.uniform(0.3, 2, (90, 1))
    parents = draw(random, items, endpoints)
    children = draw(random, items, shares @ endpoints)
    found = calibrate(rows(parents), rows(children[:30]), anchors(n=20), 1)
    places = list(found.design.anchors["t0"].places)
    errors: dict[Estimator, float] = {}
    for estimator in ESTIMATORS:
        design = Design(
            found.design.anchors,
            found.design.items,
            found.design.endpoints,
            found.design.ridge,
            estimator,
        )
        estimates = [design.estimates({"t0": one[places].tolist()})["t0"] for one in children[30:]]
        errors[estimator] = float(np.abs(np.array(estimates) - children[30:].mean(axis=1)).mean())
    assert errors["gmp_irt"] < errors["mean"]
    assert found.errors["t0"] == pytest.approx(errors["gmp_irt"], abs=0.03)


def test_calibration_needs_models() -> None:
    with pytest.raises(ValueError, match="an endpoint and two children"):
        calibrate([], rows(np.ones((3, 4))), anchors(), 1)


def test_the_spec_takes_anchors_and_names_what_is_wrong() -> None:
    spec = SearchSpec.parse(zoo_spec(allocation={"kind": "anchors", "n": 20}))
    assert spec.allocation == anchors(n=20)
    assert SearchSpec.from_yaml(spec.to_yaml()) == spec
    for wrong in ({"n": 0}, {"elite": 0}, {"calibration": 1}, {"estimator": "median"}):
        with pytest.raises(SpecError) as caught:
            SearchSpec.parse(zoo_spec(allocation={"kind": "anchors"} | wrong))
        (field,) = wrong
        assert [error.field for error in caught.value.errors] == [f"allocation.anchors.{field}"]
    with pytest.raises(SpecError, match="delta is for gmp_irt alone"):
        SearchSpec.parse(
            zoo_spec(allocation={"kind": "anchors", "estimator": "mean", "delta": 0.5})
        )
