"""Likelihoods of given texts: by their definition, in any grouping, with and without a prefix."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer, Gemma2Config, GPT2Config

import zoo
from evaluators.errors import GenerationFailed, UnsupportedTask
from evaluators.likelihood import log_likelihoods, prepare_pairs
from evaluators.likelihood_scoring import TOO_LONG
from evaluators.scoring import prepared
from evaluators.target_likelihood import TargetLikelihood, bits_per_char
from evaluators.task import SPLITS, Likelihood, LikelihoodTask
from evaluators.tasks import load_any_task, load_task
from tests.evaluators.byte_model import byte_llama, byte_tokenizer
from tests.evaluators.shared_data import shared_data

TOKENIZER = byte_tokenizer()
EXAMPLES = "Question: 1 + 1? Answer: 2\n" * 3
PAIRS = [
    (EXAMPLES + "Question: 2 + 3? Answer:", " 5"),
    (EXAMPLES + "Question: 2 + 3? Answer:", " 50 apples"),
    (EXAMPLES + "Question: 20 - 3?", "17"),
    (EXAMPLES.strip(), "Question"),
]
SMALL: dict[str, Any] = {"vocab_size": len(TOKENIZER), "bos_token_id": None, "eos_token_id": None}


def by_definition(model: Any, context: str, text: str) -> Likelihood:
    """One text at a time, every logit; byte tokens cut nowhere."""
    before, after = (TOKENIZER(one)["input_ids"] for one in (context, text))
    with torch.inference_mode():
        scores = model(torch.tensor([before + after])).logits[0, len(before) - 1 : -1]
    chosen = scores.log_softmax(-1).gather(1, torch.tensor(after)[:, None])
    return Likelihood(float(chosen.sum()), scores.argmax(-1).tolist() == after)


def check(model: Any, pairs: list[tuple[str, str]]) -> None:
    found = log_likelihoods(model, prepare_pairs(pairs, TOKENIZER))
    for pair, one in zip(pairs, found, strict=True):
        expected = by_definition(model, *pair)
        assert one is not None
        assert one.log == pytest.approx(expected.log, abs=1e-3)
        assert one.greedy == expected.greedy


words = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30)


@settings(max_examples=40, deadline=None)
@given(
    before=st.sampled_from(["", EXAMPLES]),
    pairs=st.lists(st.tuples(words, words), min_size=1, max_size=30),
    seed=st.integers(0, 3),
)
def test_any_texts(before: str, pairs: list[tuple[str, str]], seed: int) -> None:
    check(byte_llama(seed, TOKENIZER), [(before + context, text) for context, text in pairs])


@pytest.mark.parametrize(
    "config",
    [
        Gemma2Config(
            hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            head_dim=8, intermediate_size=64, sliding_window=200, **SMALL,
        ),
        GPT2Config(n_embd=32, n_layer=2, n_head=4, **SMALL),
    ],
    ids=lambda config: str(config.model_type),
)  # fmt: skip
def test_families(config: Any) -> None:
    torch.manual_seed(1)
    check(AutoModelForCausalLM.from_config(config).eval(), PAIRS)  # type: ignore[no-untyped-call]


def test_a_greedy_text_is_said_to_be_one() -> None:
    model: Any = byte_llama(1, TOKENIZER)
    before = EXAMPLES.strip()
    prompt = TOKENIZER(before, return_tensors="pt")
    output = model.generate(**prompt, max_new_tokens=5, do_sample=False, eos_token_id=None)
    text = str(TOKENIZER.decode(output[0, len(before) :]))
    pairs = prepare_pairs([(before, text), (before, text[:-1] + "#")], TOKENIZER)
    first, second = log_likelihoods(model, pairs)
    assert first is not None
    assert second is not None
    assert first.greedy
    assert not second.greedy
    assert second.log < first.log < 0


def test_blanks_belong_to_the_continuation() -> None:
    one, other = (
        prepare_pairs([pair], TOKENIZER) for pair in (("2 + 3 =", "  5"), ("2 + 3 =  ", "5"))
    )
    assert one == other
    assert one.counts == (3,)
    nothing = prepare_pairs([("", "5")], TOKENIZER)
    assert (len(nothing.texts[0]), nothing.counts) == (2, (1,))


def test_texts_longer_than_the_context() -> None:
    model = byte_llama(1, TOKENIZER, max_position_embeddings=len(EXAMPLES) + 10)
    pairs = prepare_pairs([(EXAMPLES, "a" * 11), (EXAMPLES, "a" * 12)], TOKENIZER)
    fitting, too_long = log_likelihoods(model, pairs)
    assert fitting is not None
    assert too_long is None


def test_no_numbers_no_likelihood() -> None:
    model = byte_llama(1, TOKENIZER)
    with torch.no_grad():
        model.model.layers[0].self_attn.v_proj.weight.fill_(math.nan)
    with pytest.raises(GenerationFailed, match="not a finite number"):
        log_likelihoods(model, prepare_pairs(PAIRS, TOKENIZER))


def model_of(name: str) -> tuple[Any, Any]:
    folder = Path(zoo.__file__).parent / name
    auto: Any = AutoModelForCausalLM
    return auto.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


def test_a_model_that_can_calculate_finds_solutions_likelier() -> None:
    task = load_any_task("word_problems_en", metric="target_bits_per_char")
    means = {}
    for name in ("maths", "ja"):
        model, tokenizer = model_of(name)
        ready = prepared(task, "search", tokenizer, limit=64)
        scores = ready.score(model)
        assert scores.tokens == 0
        assert all(0 < value < 1 for value in scores.values)
        places = (40, 3, 17)
        assert ready.part(places).score(model).values == pytest.approx(
            [scores.values[place] for place in places], rel=1e-4
        )
        means[name] = sum(scores.values) / 64
    assert means["maths"] > means["ja"] + 0.05


def test_bits_per_character() -> None:
    task = load_any_task("word_problems_en", metric="target_bits_per_char")
    assert isinstance(task, LikelihoodTask)
    item = task.items("search")[0]
    assert task.texts(item) == [(item.prompt, item.solution)]
    likelihood = Likelihood(-math.log(8) * len(item.solution), greedy=False)
    assert bits_per_char(likelihood, item.solution) == pytest.approx(3)
    judged = task.judge(item, [likelihood])
    assert judged.value == pytest.approx(1 / 8)
    assert not judged.correct
    certain = task.judge(item, [Likelihood(0.0, greedy=True)])
    assert (certain.value, certain.correct) == (1, True)


def test_items_too_long_score_nothing() -> None:
    task = load_any_task("word_problems_en", metric="target_bits_per_char")
    model = byte_llama(1, TOKENIZER, max_position_embeddings=20)
    ready = prepared(task, "search", TOKENIZER, limit=3)
    assert ready.score(model).values == [0.0] * 3
    assert ready.score(model).truncated == 3
    assert TOO_LONG.value == 0


def test_tasks_without_solutions_have_no_such_metric(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedTask, match="no metric 'target_bits_per_char'"):
        load_any_task("arithmetic", metric="target_bits_per_char")
    task = TargetLikelihood(load_task("arithmetic"))
    with pytest.raises(UnsupportedTask, match="has no worked solution"):
        task.items("search")
    with pytest.raises(UnsupportedTask, match="no text is generated"):
        load_task("word_problems_en", metric="target_bits_per_char")
    (tmp_path / "own.jsonl").write_text(
        '{"question": "2 + 3?", "answer": "2 + 3 = 5\\n#### 5", "split": "search"}\n'
        '{"prompt": "問題：2 + 3は？\\n解答：", "answer": 5, "split": "search"}\n'
    )
    own = load_any_task("jsonl:own", tmp_path, metric="target_bits_per_char")
    assert [item.solution for item in own.items("search")] == [" 2 + 3 = 5\n#### 5", "5"]


def test_solutions_of_gsm8k_are_what_a_person_would_write(tmp_path: Path) -> None:
    folder = tmp_path / "gsm8k"
    folder.mkdir()
    lines = shared_data("gsm8k", "test.jsonl").read_text(encoding="utf-8").splitlines()[:300]
    (folder / "test.jsonl").write_text("\n".join(lines), encoding="utf-8")
    task = load_any_task("gsm8k", tmp_path, metric="target_bits_per_char")
    solutions = [item.solution for split in SPLITS for item in task.items(split)]
    assert len(solutions) == 300
    assert all(one.startswith(" ") and "\n#### " in one and "<<" not in one for one in solutions)
