"""Racing: blocks, the test that stops a candidate, and its error rate."""

from __future__ import annotations

import random
from itertools import accumulate, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.errors import SpecError
from search.racing import PEERS, Race, Rival, Scores, Stakes, is_below_zero, make_race, make_rival
from search.spec import RacingAllocation, SearchSpec
from tests.zoo_spec import zoo_spec

RECORDED = Path(__file__).parent / "data" / "recorded_scores.txt"
"""Item scores of a full search with the demo's spec and seed 101: a line a trial, a bit an item."""
ORDERS = 3
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
    long = make_race({"ja": 200}, {"ja": 1.0}, first=16, block=8, error=0.05, seed=3)
    sizes = [len(block.items) for block in long.blocks]
    assert sizes == [16, *[8] * 7, 9, 10, 11, 12, 14, 16, 18, 20, 18]
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
    return [float(draw) for draw in source.random(len(chances)) < chances]


class Errors:
    """Races over random orders: how often a candidate was stopped, and wrongly."""

    def __init__(self, race: Race) -> None:
        self.stopped = self.wrong = self.reaching = 0
        self._race = race
        self._looks = list(accumulate(len(block.items) for block in race.blocks))[:-1]
        self._source = np.random.default_rng(7)

    def add(self, mine: Scores, rival: Rival, orders: int) -> None:
        race = self._race
        stakes, values = race.stakes(rival), race.in_order(in_blocks(race, mine))
        reaches = stakes.differences(values).sum() > -1e-9
        self.reaching += orders * reaches
        for _ in range(orders):
            order = self._source.permutation(len(values))
            items = Stakes(stakes.right[order], stakes.wrong[order], stakes.chance[order])
            seen = items.differences(values[order])
            stopped = any(
                is_below_zero(seen[:done], items.after(done), race.error) for done in self._looks
            )
            self.stopped += stopped
            self.wrong += stopped and reaches

    def check(self) -> None:
        """Errors are as rare as they should be: of those stopped, and of those that reach."""
        error = self._race.error
        for cases in (self.stopped, self.reaching):
            # Three standard errors; orders of one candidate count as one case.
            limit = error + 3 * (error * (1 - error) * ORDERS / cases) ** 0.5
            assert self.wrong / cases <= limit
        # A race that stops nobody makes no errors.
        assert self.wrong > 0


@pytest.mark.parametrize("error", [0.05, 0.2])
@pytest.mark.parametrize("tasks", [{"ja": (256, 1.0)}, {"ja": (200, 1.0), "en": (56, 2.0)}])
def test_errors_are_no_more_than_stated(tasks: dict[str, tuple[int, float]], error: float) -> None:
    """Candidates a little above and below their rival alike, on hard and easy tasks.

    Scores are right or wrong, so most are tied.
    """
    counts = {task: n for task, (n, _) in tasks.items()}
    weights = {task: weight for task, (_, weight) in tasks.items()}
    race = make_race(counts, weights, first=16, block=8, error=error, seed=1)
    source, errors = np.random.default_rng(1), Errors(race)
    for peers, mean, _ in product((1, 10), (0.03, 0.1, 0.5, 0.9), range(100)):
        chances = {task: skewed(mean, n, source) for task, n in counts.items()}
        shift = source.uniform(-0.15, 0.15)
        best = [{task: answers(chances[task], source) for task in tasks} for _ in range(peers)]
        mine = {task: answers(np.clip(chances[task] + shift, 0, 1), source) for task in tasks}
        # From all items, an estimate is the fitness.
        reached = race.estimate(in_blocks(race, best[0]), make_rival(best, 0.0))
        errors.add(mine, make_rival(best, reached), ORDERS)
    errors.check()


def test_errors_on_recorded_scores_are_no_more_than_stated() -> None:
    """200 trials of the demo's search, each with rivals up to 15 points better and worse."""
    lines = RECORDED.read_text(encoding="utf-8").split()
    scores = [[float(bit) for bit in f"{int(line, 16):0256b}"] for line in lines]
    race = make_race({"ja": 256}, {"ja": 1.0}, first=16, block=8, error=0.05, seed=1)
    source, errors = np.random.default_rng(1), Errors(race)
    for number in range(10, len(scores)):
        earlier = sorted(scores[: number // 10 * 10], key=sum)[-PEERS:]
        for shift in source.uniform(-0.15, 0.15, 4):
            reached = min(1.0, max(0.0, sum(scores[number]) / 256 + shift))
            rival = make_rival([{"ja": one} for one in earlier], reached)
            errors.add({"ja": scores[number]}, rival, ORDERS)
    errors.check()


def test_equal_scores_seen_by_chance_do_not_stop_a_candidate() -> None:
    """One in ten is right for all: 12 items without one say little, though none differs."""
    n = 200
    stakes = Stakes(np.full(n, 0.9), np.full(n, -0.1), np.full(n, 0.1))
    assert not is_below_zero(stakes.differences(np.zeros(12)), stakes.after(12), 0.05)
    assert is_below_zero(stakes.differences(np.zeros(100)), stakes.after(100), 0.05)


@pytest.mark.parametrize(("weaker_by", "share"), [(0.4, 0.15), (0.25, 0.35)])
def test_a_weak_candidate_stops_early(weaker_by: float, share: float) -> None:
    """The mean share of 256 items that it takes, against a rival with half of all right."""
    source = random.Random(2)
    race = make_race({"t": 256}, {"t": 1.0}, first=16, block=8, error=0.05, seed=5)
    spent = []
    for _ in range(200):
        right = [float(source.random() < 0.5) for _ in range(256)]
        rival = make_rival([{"t": right}], sum(right) / 256)
        scores = {"t": [float(source.random() < 0.5 - weaker_by) for _ in range(256)]}
        blocks = [{"t": [scores["t"][at] for at in block.places["t"]]} for block in race.blocks]
        lost = (n for n in range(1, len(blocks)) if race.is_lost(blocks[:n], rival))
        scored = next(lost, len(blocks))
        spent.append(sum(len(block.items) for block in race.blocks[:scored]))
    assert sum(spent) / len(spent) / 256 < share


def test_the_spec_takes_racing_and_names_what_is_wrong() -> None:
    spec = SearchSpec.parse(zoo_spec(allocation={"kind": "racing", "block": 8}))
    assert spec.allocation == RacingAllocation(kind="racing", block=8)
    assert SearchSpec.from_yaml(spec.to_yaml()) == spec
    with pytest.raises(SpecError) as caught:
        SearchSpec.parse(zoo_spec(allocation={"kind": "racing", "block": 0, "error": 0.5}))
    fields = {error.field for error in caught.value.errors}
    assert fields == {"allocation.racing.block", "allocation.racing.error"}
