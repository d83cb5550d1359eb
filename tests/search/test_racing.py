"""Racing: blocks, the test that stops a candidate, and its error rate."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import accumulate, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.boundary import critical_values
from search.errors import SpecError
from search.racing import Race, Rival, Scores, Stakes, is_below_zero, make_race, make_rival
from search.spec import RacingAllocation, SearchSpec
from tests.zoo_spec import zoo_spec

COUNTS = {"ja": 60, "en": 30}
WEIGHTS = {"ja": 1.0, "en": 2.0}


def two_tasks(block: int = 16, seed: int = 3) -> Race:
    return make_race(COUNTS, WEIGHTS, first=block, block=block, error=0.05, seed=seed)


def in_blocks(race: Race, scores: Scores) -> list[dict[str, list[float]]]:
    return [
        {task: [scores[task][at] for at in places] for task, places in block.places.items()}
        for block in race.blocks
    ]


def draw(chances: dict[str, float], source: random.Random) -> dict[str, list[float]]:
    return {
        task: [float(source.random() < chances[task]) for _ in range(n)]
        for task, n in COUNTS.items()
    }


def weighted(scores: Scores) -> float:
    means = {task: sum(values) / len(values) for task, values in scores.items()}
    return sum(WEIGHTS[task] * means[task] for task in means) / sum(WEIGHTS.values())


def alone(scores: Scores) -> Rival:
    """A rival that is the only one of its kind."""
    return make_rival([scores], weighted(scores))


def test_blocks_hold_every_item_once_in_an_order_of_the_seed() -> None:
    race = two_tasks()
    items = [item for block in race.blocks for item in block.items]
    assert sorted(items) == sorted((task, at) for task, n in COUNTS.items() for at in range(n))
    assert [len(block.items) for block in race.blocks] == [16] * 5 + [10]
    assert [block.number for block in race.blocks] == list(range(6))
    assert two_tasks() == race
    assert two_tasks(seed=4).blocks != race.blocks
    first = make_race(COUNTS, WEIGHTS, first=40, block=30, error=0.05, seed=3)
    assert [len(block.items) for block in first.blocks] == [40, 30, 20]
    whole = make_race(COUNTS, WEIGHTS, first=100, block=30, error=0.05, seed=3)
    assert [len(block.items) for block in whole.blocks] == [90]
    # A block is a sample of all tasks, not the first items of one.
    assert all(set(block.places) == set(COUNTS) for block in race.blocks)


@given(st.integers(0, 2**32), st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_an_estimate_from_all_items_is_the_fitness(seed: int, mine: float, other: float) -> None:
    source = random.Random(seed)
    race = two_tasks()
    scores = draw({"ja": mine, "en": other}, source)
    best = [draw({"ja": other, "en": mine}, source) for _ in range(3)]
    rival = make_rival(best, fitness=source.random())
    assert race.estimate(in_blocks(race, scores), rival) == pytest.approx(weighted(scores))
    # From all items the answer is certain.
    lost = race.is_lost(in_blocks(race, scores), rival)
    assert lost == (weighted(scores) < rival.fitness)


@given(st.integers(0, 2**32), st.integers(1, 6))
def test_one_as_good_as_its_rival_is_never_lost_on_the_same_answers(seed: int, seen: int) -> None:
    race = two_tasks()
    scores = draw({"ja": 0.5, "en": 0.3}, random.Random(seed))
    assert not race.is_lost(in_blocks(race, scores)[:seen], alone(scores))


@given(st.integers(0, 2**32), st.floats(-0.2, 0.2), st.integers(1, 12))
def test_a_certain_winner_is_never_lost(seed: int, ahead: float, peers: int) -> None:
    """All right: nobody is above that."""
    race = two_tasks()
    source = random.Random(seed)
    best = [draw({"ja": 0.5, "en": 0.3}, source) for _ in range(peers)]
    rival = make_rival(best, fitness=min(1.0, max(map(weighted, best)) + ahead))
    perfect = {task: [1.0] * n for task, n in COUNTS.items()}
    assert not any(race.is_lost(in_blocks(race, perfect)[:seen], rival) for seen in range(1, 7))


def test_one_that_cannot_catch_up_is_lost_for_certain() -> None:
    """Nothing right on 48 of 90 items, which the rival has all right."""
    race = two_tasks()
    rival = alone({task: [1.0] * n for task, n in COUNTS.items()})
    none = {task: [0.0] * n for task, n in COUNTS.items()}
    assert race.is_lost(in_blocks(race, none)[:1], rival)
    almost = {"ja": [1.0] * 60, "en": [1.0] * 30}
    task, at = race.blocks[0].items[0]
    almost[task][at] = 0.0
    assert race.is_lost(in_blocks(race, almost)[:1], rival)


def skewed(mean: float, n: int, source: np.random.Generator) -> np.ndarray:
    """Chances of items most of which are easy or hard."""
    return source.beta(2 * mean, 2 * (1 - mean), n)


def answers(chances: np.ndarray, source: np.random.Generator) -> list[float]:
    return (source.random(len(chances)) < chances).astype(float).tolist()


def share_stopped(race: Race, scores: Scores, best: Sequence[Scores], orders: int) -> float:
    """How often a candidate is stopped that has its rival's fitness exactly, over random orders."""
    items = sum(len(values) for values in scores.values())
    fitness = sum(race.shares[task] * sum(values) for task, values in scores.items()) / items
    stakes = race.stakes(make_rival(best, fitness))
    values = race.in_order(in_blocks(race, scores))
    looks = list(accumulate(len(block.items) for block in race.blocks))[:-1]
    source = np.random.default_rng(6)
    stopped = 0
    for _ in range(orders):
        order = source.permutation(len(values))
        shuffled = Stakes(stakes.right[order], stakes.wrong[order], stakes.chance[order])
        seen = shuffled.differences(values[order])
        stopped += any(
            is_below_zero(seen[:done], shuffled.after(done), critical)
            for done, critical in zip(looks, race.critical, strict=True)
        )
    return stopped / orders


@pytest.mark.parametrize("error", [0.05, 0.2])
@pytest.mark.parametrize("peers", [1, 10])
@pytest.mark.parametrize("tasks", [{"ja": (256, 1.0)}, {"ja": (200, 1.0), "en": (56, 2.0)}])
def test_an_equal_candidate_is_stopped_no_more_often_than_the_error(
    tasks: dict[str, tuple[int, float]], peers: int, error: float
) -> None:
    """Over thousands of orders, of tasks that are hard to easy, one or two, with many ties.

    The chance that a test with this error exceeds the limit below is under 1 in 10,000.
    """
    counts = {task: n for task, (n, _) in tasks.items()}
    weights = {task: weight for task, (_, weight) in tasks.items()}
    race = make_race(counts, weights, first=32, block=16, error=error, seed=1)
    source = np.random.default_rng(peers)
    runs, stopped = 250, []
    for means in product((0.03, 0.1, 0.5, 0.9), repeat=len(tasks)):
        chances = {
            task: skewed(mean, counts[task], source)
            for task, mean in zip(tasks, means, strict=True)
        }
        scores, *best = (
            {task: answers(chance, source) for task, chance in chances.items()}
            for _ in range(peers + 1)
        )
        stopped.append(share_stopped(race, scores, best, runs))
    everything = runs * len(stopped)
    assert np.mean(stopped) <= error + 3.8 * (error * (1 - error) / everything) ** 0.5
    # Few items of great weight are the hardest; even so no single one goes far beyond.
    assert max(stopped) <= 2 * error
    # It is no test that never stops anyone.
    assert max(stopped) > error / 4


def test_equal_scores_seen_by_chance_do_not_stop_a_candidate() -> None:
    """One in ten is right for all: 32 items without one say little, though none differs."""
    n = 200
    stakes = Stakes(np.full(n, 0.9), np.full(n, -0.1), np.full(n, 0.1))
    seen = stakes.differences(np.zeros(32))
    (critical,) = critical_values([32], n, 0.05)
    assert not is_below_zero(seen, stakes.after(32), critical)
    seen = stakes.differences(np.zeros(100))
    assert is_below_zero(seen, stakes.after(100), critical)


@pytest.mark.parametrize(("weaker_by", "share"), [(0.4, 0.15), (0.25, 0.35)])
def test_a_weak_candidate_stops_early(weaker_by: float, share: float) -> None:
    """The mean share of 256 items that it takes, against a rival with half of all right."""
    source = random.Random(2)
    race = make_race({"t": 256}, {"t": 1.0}, first=32, block=16, error=0.05, seed=5)
    spent = []
    for _ in range(200):
        right = [float(source.random() < 0.5) for _ in range(256)]
        rival = make_rival([{"t": right}], sum(right) / 256)
        scores = {"t": [float(source.random() < 0.5 - weaker_by) for _ in range(256)]}
        blocks = [{"t": [scores["t"][at] for at in block.places["t"]]} for block in race.blocks]
        spent.append(
            next(
                (n for n in range(1, 17) if race.is_lost(blocks[:n], rival)),
                16,
            )
        )
    assert sum(spent) / len(spent) / 16 < share


def test_the_spec_takes_racing_and_names_what_is_wrong() -> None:
    spec = SearchSpec.parse(zoo_spec(allocation={"kind": "racing", "block": 8}))
    assert spec.allocation == RacingAllocation(kind="racing", block=8)
    assert SearchSpec.from_yaml(spec.to_yaml()) == spec
    with pytest.raises(SpecError) as caught:
        SearchSpec.parse(zoo_spec(allocation={"kind": "racing", "block": 0, "error": 0.5}))
    fields = {error.field for error in caught.value.errors}
    assert fields == {"allocation.racing.block", "allocation.racing.error"}
