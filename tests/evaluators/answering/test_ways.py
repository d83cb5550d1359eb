"""Chains of thought, samples and agreement, with models that really write."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluators.answering.agreement import PreparedAgreement
from evaluators.answering.chain_of_thought import ChainOfThought
from evaluators.answering.programs import ProgramAided
from evaluators.answering.voting import Sampled, score_samples
from evaluators.scoring import PreparedTask
from evaluators.task import Completion, Task
from evaluators.tasks import load_task
from tests.evaluators.answering.taught import taught
from tests.evaluators.byte_model import byte_llama, byte_tokenizer

QUESTIONS = {"What is 3 + 4?": 7, "What is 5 x 6?": 30, "What is 9 - 8?": 1}


def sums(folder: Path) -> Task:
    lines = [
        f'{{"question": "{question}", "answer": {answer}, "split": "search"}}'
        for question, answer in QUESTIONS.items()
    ]
    (folder / "sums.jsonl").write_text("\n".join(lines))
    return load_task("jsonl:sums", folder)


@pytest.mark.parametrize(
    ("name", "asked", "answer"),
    [
        ("word_problems_ja", "日本語で順を追って", "9+3=12。\n答えは{}個です。"),
        ("word_problems_en", "Think step by step", "There are 5.\nThe answer is {}."),
        ("numbers_integer_add", "Think step by step", "1 and 1 is 2. The answer is {}."),
    ],
)
def test_steps_are_asked_for_and_read(name: str, asked: str, answer: str) -> None:
    task = load_task(name)
    chain = ChainOfThought(task, 99)
    assert chain.generation.max_new_tokens == 99
    # The steps may take several lines.
    assert "\n" not in chain.generation.stop
    for own, item in zip(chain.items("search"), task.items("search"), strict=True):
        assert own.id == item.id
        assert item.question in own.prompt
        assert asked in own.prompt
    item = task.items("search")[0]
    completion = Completion(answer.format(item.reference), truncated=False, tokens=9)
    assert chain.score(item, completion).value == 1


def test_latex_is_asked_for_in_a_box(tmp_path: Path) -> None:
    (tmp_path / "some.jsonl").write_text('{"problem": "Halve 1.", "answer": "1/2"}')
    task = load_task("math:some", tmp_path)
    (item,) = ChainOfThought(task).items("search")
    assert "\\boxed{}" in item.prompt
    assert "The answer is" not in item.prompt


def test_samples_are_scored_item_by_item_whole_and_in_parts() -> None:
    tokenizer = byte_tokenizer()
    model = byte_llama(4, tokenizer)
    task = Sampled(load_task("word_problems_en"), 3, 1.5, seed=5)
    whole = PreparedTask(task, "search", tokenizer, limit=8)
    completions = whole.completions(model)
    assert len(completions) == 24
    assert len({completion.text for completion in completions}) > 8
    scores = [
        score_samples(task, item, completions[3 * place : 3 * place + 3])
        for place, item in enumerate(whole.items)
    ]
    assert whole.item_scores(completions) == scores
    places = (6, 1, 3)
    part = whole.part(places)
    written = [completions[3 * place + number] for place in places for number in range(3)]
    assert part.completions(model) == written
    assert part.item_scores(written) == [scores[place] for place in places]
    assert whole.score(model).tokens == sum(completion.tokens for completion in completions)
    again = PreparedTask(Sampled(task.task, 3, 1.5, seed=6), "search", tokenizer, limit=8)
    assert again.completions(model) != completions


def test_agreement_counts_the_same_answers_both_ways(tmp_path: Path) -> None:
    task = sums(tmp_path)
    chain, program = ChainOfThought(task, 40), ProgramAided(task, shots=0, max_new_tokens=60)
    tokenizer = byte_tokenizer()
    # Both right; the program wrong; both without an answer.
    thoughts = [" 3, 4: 7. The answer is 7.\nQuestion:", " The answer is 30.\nQuestion:"]
    thoughts.append(" Nobody knows.\nQuestion:")
    codes = ["return 3 + 4", "return 5 + 6", "return 9 / 0"]
    model = taught(
        tokenizer,
        [item.prompt for one in (chain, program) for item in one.items("search")],
        [*thoughts, *(f"def solution():\n    {code}\n```" for code in codes)],
    )
    first, second = (PreparedTask(one, "search", tokenizer) for one in (chain, program))
    both = PreparedAgreement(first, second).score(model)
    assert (both.values, both.agreed) == ([1.0, 1.0, 0.0], 1)
    # A fitness is made of the values, which are those without the comparison.
    assert both.values == first.score(model).values
    assert both.failures == {}
    assert both.tokens == first.score(model).tokens + second.score(model).tokens
    turned = PreparedAgreement(second, first)
    assert (turned.score(model).values, turned.score(model).agreed) == ([1.0, 0.0, 0.0], 1)
    assert turned.score(model).failures == {"exception": 1}
    part = turned.part([1, 0])
    assert [item.reference for item in part.items] == ["30", "7"]
    assert (part.score(model).values, part.score(model).agreed) == ([0.0, 1.0], 1)
