"""Prepared tasks: item order, limits, and the counts of what went wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluators.scoring import PreparedTask, score
from evaluators.split_scores import SplitScores, summary
from evaluators.task import Completion, ItemScore
from evaluators.tasks import load_task
from tests.evaluators.byte_model import byte_llama, byte_tokenizer


def test_scores_come_in_item_order() -> None:
    tokenizer = byte_tokenizer()
    model = byte_llama(4, tokenizer)
    task = load_task("word_problems_en")
    few = PreparedTask(task, "search", tokenizer, limit=10)
    assert few.items == tuple(task.items("search")[:10])
    completions = few.completions(model)
    assert score(model, few) == [
        task.score(item, completion)
        for item, completion in zip(few.items, completions, strict=True)
    ]
    scores = few.score(model)
    texts = [one.text for one in completions]
    tokens = sum(one.tokens for one in completions)
    assert scores == summary(few.item_scores(completions), tokens, texts)
    assert len(scores.values) == 10
    assert scores.tokens == sum(c.tokens for c in completions)
    assert few.score(model) == scores


def test_summary_counts() -> None:
    good = ItemScore(1.0, correct=True, language_ok=True, truncated=False, no_answer=False)
    bad = ItemScore(0.0, correct=True, language_ok=False, truncated=True, no_answer=True)
    assert summary([good, bad], tokens=9) == SplitScores([1.0, 0.0], 1, 1, 1, 9)


def test_a_task_of_one_item(tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_text('{"prompt": "1+1=", "answer": 2}\n')
    tokenizer = byte_tokenizer(pad=False)
    prepared = PreparedTask(load_task("jsonl:one", tmp_path), "search", tokenizer)
    assert len(prepared.score(byte_llama(1, tokenizer)).values) == 1
    empty = PreparedTask(load_task("jsonl:one", tmp_path), "holdout", tokenizer)
    assert empty.score(byte_llama(1, tokenizer)) == SplitScores([], 0, 0, 0, 0, texts=[])


@pytest.mark.parametrize(
    "name", ["word_problems_ja", "arithmetic", "numbers_integer_add", "jsonl:one", "math:boxed"]
)
@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_completion_answers_nothing(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "one.jsonl").write_text('{"prompt": "1+1=", "answer": 0}\n')
    (tmp_path / "boxed.jsonl").write_text('{"problem": "1-1", "answer": "0"}\n')
    task = load_task(name, tmp_path)
    item = task.items("search")[0]
    scored = task.score(item, Completion(text, False, 1))
    assert (scored.value, scored.correct, scored.no_answer) == (0.0, False, True)
    assert task.answer(item, Completion(text, False, 1)) is None


def test_a_model_that_ends_at_once_answers_nothing(tmp_path: Path) -> None:
    lines = [f'{{"prompt": "{n}+1=", "answer": {n + 1}, "split": "search"}}' for n in range(5)]
    (tmp_path / "sums.jsonl").write_text("\n".join(lines))
    tokenizer = byte_tokenizer()
    model = byte_llama(1, tokenizer)
    assert model.generation_config is not None
    model.generation_config.eos_token_id = list(range(len(tokenizer)))
    prepared = PreparedTask(load_task("jsonl:sums", tmp_path), "search", tokenizer)
    assert prepared.completions(model) == [Completion("", truncated=False, tokens=1)] * 5
    scores = prepared.score(model)
    assert scores == SplitScores([0.0] * 5, 0, 5, 0, 5, texts=[""] * 5)
