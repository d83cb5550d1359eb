"""Votes: whatever their order, ties and weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.answering.voting import Sampled, Vote, elected, score_samples, winner
from evaluators.task import Completion, Item, ItemScore, Task
from evaluators.word_problems import WordProblems

votes = st.lists(
    st.builds(Vote, st.sampled_from(["3", "12", "1/2", "8"]), st.sampled_from([0.0, 0.2, 0.5, 1.0]))
)


@given(votes, st.randoms(use_true_random=False))
def test_the_order_of_votes_never_counts(cast: list[Vote], random: Random) -> None:
    shuffled = list(cast)
    random.shuffle(shuffled)
    assert winner(shuffled) == winner(cast)


@given(votes)
def test_the_winner_has_the_greatest_weight(cast: list[Vote]) -> None:
    totals = {
        answer: sum(round(vote.weight * 10) for vote in cast if vote.answer == answer)
        for answer in {vote.answer for vote in cast}
    }
    won = winner(cast)
    assert (won is None) == (not cast)
    if won is not None:
        assert totals[won] == max(totals.values())


@given(votes.filter(bool), st.floats(0, 5), st.data())
def test_more_weight_for_the_winner_keeps_it(
    cast: list[Vote], more: float, data: st.DataObject
) -> None:
    won = winner(cast)
    place = data.draw(st.sampled_from([i for i, vote in enumerate(cast) if vote.answer == won]))
    heavier = [*cast]
    heavier[place] = replace(cast[place], weight=cast[place].weight + more)
    assert winner(heavier) == won
    assert won is not None
    assert winner([*cast, Vote(won, more)]) == won


@given(votes.filter(bool), st.sampled_from([0.5, 2.0, 8.0]))
def test_a_common_factor_changes_nothing(cast: list[Vote], factor: float) -> None:
    assert winner([Vote(vote.answer, vote.weight * factor) for vote in cast]) == winner(cast)


@pytest.mark.parametrize(
    ("cast", "won"),
    [
        ([Vote("12"), Vote("3")], "3"),
        ([Vote("8"), Vote("3")], "3"),
        ([Vote("3"), Vote("8", 0.5), Vote("8", 0.5)], "8"),
        ([Vote("8", 0.2)] * 5 + [Vote("3")], "8"),
        ([Vote("3", 0.0)], "3"),
        ([], None),
    ],
)
def test_ties(cast: list[Vote], won: str | None) -> None:
    assert winner(cast) == won


TASK = WordProblems("en")
ITEM = TASK.items("search")[0]


def written(text: str, *, truncated: bool = False) -> Completion:
    return Completion(text, truncated, 5)


def samples_of(*answers: str) -> list[Completion]:
    return [written(f"The answer is {answer}." if answer else "No idea.") for answer in answers]


def test_an_item_has_the_score_of_its_winning_answer() -> None:
    right = ITEM.reference
    wrong = str(int(right) + 1)
    task: Task = Sampled(TASK, 5, 0.7)
    for answers, value in [
        (("", right, wrong, right, ""), 1.0),
        ((wrong, right, wrong, "", ""), 0.0),
        (("", "", "", "", right), 1.0),
    ]:
        assert score_samples(task, ITEM, samples_of(*answers)).value == value
    nothing = score_samples(task, ITEM, samples_of("", "", "", "", ""))
    assert nothing == task.score(ITEM, written("No idea."))
    assert nothing.no_answer


def test_what_else_is_told_is_the_winning_samples() -> None:
    late = [written("No idea.", truncated=True), *samples_of(ITEM.reference)]
    assert not score_samples(TASK, ITEM, late).truncated
    in_japanese = [written(f"答えは{ITEM.reference}です。"), *samples_of("999", "")]
    # One vote each: the shorter answer wins, and its language counts.
    score = score_samples(TASK, ITEM, in_japanese)
    assert (score.value, score.correct, score.language_ok) == (0.0, True, False)


@dataclass(frozen=True)
class Graded:
    """A real task whose votes weigh what is written in brackets, and whose failures are named."""

    task: WordProblems = TASK

    name = TASK.name
    generation = TASK.generation
    items = staticmethod(TASK.items)
    answer = staticmethod(TASK.answer)

    def score(self, item: Item, completion: Completion) -> ItemScore:
        score = self.task.score(item, completion)
        return replace(score, failures=("empty",)) if not completion.text else score

    def weight(self, _item: Item, completion: Completion) -> float:
        return 1.0 if "sure" in completion.text else 0.2


def test_weights_go_through_and_failures_add_up() -> None:
    task = Sampled(Graded(), 5, 0.7)
    samples = [
        written(""),
        written("The answer is 7."),
        written("I am sure. The answer is 9."),
        written("The answer is 7."),
        written(""),
    ]
    assert elected(task, ITEM, samples) == "9"
    assert score_samples(task, ITEM, samples).failures == ("empty", "empty")
    assert elected(Sampled(TASK, 5, 0.7), ITEM, samples) == "7"
