"""Fitness, finalists, winner and baselines."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest

from search.baselines import average_recipes, grid_recipes, parent_recipe
from search.errors import FitnessError, SearchError
from search.finalists import finalists, winner
from search.fitness import fitness


@dataclass(frozen=True)
class Scored:
    number: int
    digest: str
    fitness: float | None


def test_fitness_is_the_weighted_mean() -> None:
    assert fitness({"ja": 0.5, "en": 0.8}, {"en": 1.0, "ja": 2.0}) == pytest.approx(0.6)
    assert fitness({"ja": 0.1}, {"ja": 3.0}) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("scores", "weights", "words"),
    [
        ({"a": 1.0}, {"a": 1.0, "b": 1.0}, "without a score: b"),
        ({"a": 1.0, "b": 1.0}, {"a": 1.0}, "without a weight"),
        ({"a": math.nan}, {"a": 1.0}, "'a' is nan"),
        ({"a": 1.0}, {"a": 0.0}, "more than 0"),
        ({}, {}, "more than 0"),
    ],
)
def test_no_fitness_from_nonsense(
    scores: dict[str, float], weights: dict[str, float], words: str
) -> None:
    with pytest.raises(FitnessError, match=words):
        fitness(scores, weights)


def test_finalists_are_the_best_distinct_children() -> None:
    trials = [
        Scored(3, "c", 0.7),
        Scored(0, "a", 0.5),
        Scored(1, "b", None),
        Scored(4, "c", 0.7),
        Scored(2, "d", 0.7),
        Scored(5, "e", math.nan),
        Scored(6, "f", 0.9),
    ]
    assert finalists(trials, 3) == [6, 2, 3]
    assert finalists(trials, 10) == [6, 2, 3, 0]
    assert finalists([], 10) == []


def test_the_winner_has_the_best_select_score() -> None:
    assert winner({5: 0.5, 9: 0.8, 2: 0.8, 1: math.nan}) == 2
    with pytest.raises(SearchError):
        winner({})


def test_a_parent_is_a_merge_of_one() -> None:
    recipe = parent_recipe("zoo/maths")
    assert recipe.merge_method == "linear"
    assert recipe.model_names() == ("zoo/maths",)


def test_averages_of_every_subset() -> None:
    recipes = average_recipes({"maths": "zoo/maths", "ja": "zoo/ja", "spare": "zoo/spare"})
    assert list(recipes) == ["maths+ja", "maths+spare", "ja+spare", "maths+ja+spare"]
    recipe = recipes["maths+ja"]
    assert recipe.models is not None
    assert [entry.parameters for entry in recipe.models] == [{"weight": 1.0}] * 2
    assert recipe.parameters == {"normalize": True}


def test_the_grid_of_uniform_weights() -> None:
    recipes = grid_recipes("zoo/base", {"maths": "zoo/maths", "ja": "zoo/ja"}, 0.2)
    assert len(recipes) == 35
    assert "0,0" not in recipes
    recipe = recipes["0.6,0.4"]
    assert recipe.base_model == "zoo/base"
    assert recipe.models is not None
    assert [entry.parameters["weight"] for entry in recipe.models] == [0.6, 0.4]
    assert len({one.digest() for one in recipes.values()}) == 35
