"""The shared prefix: the same text as without it, and as transformers writes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, Gemma2Config, GPT2Config, MistralConfig, Qwen2Config

from evaluators.batches import Limits, prepare
from evaluators.errors import GenerationFailed
from evaluators.generation import generate
from evaluators.shared_prefix import common_prefix, plain_attention, read_prefix
from evaluators.task import Completion, GenerationSettings, Item
from tests.evaluators.byte_model import byte_llama, byte_tokenizer

TOKENIZER = byte_tokenizer()
EXAMPLES = "Question: 1 + 1? Answer: 2\n" * 3
ITEMS = [
    Item(f"i{i}", EXAMPLES + f"Question: {i * 37} + 5?"[:length], "0")
    for i, length in enumerate((20, 3, 1, 1, 17, 9, 12))
]
SMALL: dict[str, Any] = {
    "vocab_size": len(TOKENIZER),
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.4,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
}


def written(model: Any, items: list[Item], tokens: int = 12, **limits: int) -> list[str]:
    batches = prepare(items, TOKENIZER, GenerationSettings(tokens), limits=Limits(**limits))
    return [completion.text for completion in generate(model, batches)]


def theirs(model: Any, prompt: str, tokens: int = 12) -> str:
    encoded = TOKENIZER(prompt, return_tensors="pt")
    output = model.generate(**encoded, max_new_tokens=tokens, do_sample=False, pad_token_id=1)
    return str(
        TOKENIZER.decode(output[0, encoded["input_ids"].shape[1] :], skip_special_tokens=True)
    )


def same(model: Any, prompt: str, ours: str, expected: str) -> bool:
    """Equal, or parted at a token where the two best logits all but tie."""
    if ours == expected:
        return True
    place = next(i for i, (a, b) in enumerate(zip(ours, expected, strict=True)) if a != b)
    with torch.inference_mode():
        logits = model(**TOKENIZER(prompt + expected[:place], return_tensors="pt")).logits[0, -1]
    best, second = logits.topk(2).values.tolist()
    return bool(best - second < 1e-4)


@settings(max_examples=40, deadline=None)
@given(
    limits=st.fixed_dictionaries({"rows": st.integers(1, 10), "cells": st.integers(10, 2000)}),
    prefix=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=90),
    rests=st.lists(
        st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40),
        min_size=1,
        max_size=9,
    ),
    tokens=st.integers(1, 14),
    seed=st.integers(0, 3),
)
def test_any_prompts(
    prefix: str, rests: list[str], tokens: int, limits: dict[str, int], seed: int
) -> None:
    model = byte_llama(seed, TOKENIZER)
    items = [Item(str(i), prefix + rest, "0") for i, rest in enumerate(rests)]
    shared = written(model, items, tokens, prefix=1, **limits)
    apart = written(model, items, tokens, prefix=1 << 20, **limits)
    for item, ours, alone in zip(items, shared, apart, strict=True):
        expected = theirs(model, item.prompt, tokens)
        assert same(model, item.prompt, ours, expected)
        assert same(model, item.prompt, alone, expected)


@pytest.mark.parametrize(
    "config",
    [
        MistralConfig(sliding_window=200, **SMALL),
        Qwen2Config(use_sliding_window=False, **SMALL),
        GPT2Config(vocab_size=len(TOKENIZER), n_embd=32, n_layer=2, n_head=4, eos_token_id=None),
        Gemma2Config(head_dim=8, sliding_window=200, **SMALL),
    ],
    ids=lambda config: str(config.model_type),
)
def test_families(config: Any) -> None:
    torch.manual_seed(1)
    model: Any = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    model.train(False)
    model.generation_config.eos_token_id = TOKENIZER.eos_token_id
    assert written(model, ITEMS, rows=3) == [theirs(model, i.prompt) for i in ITEMS]
    taken = read_prefix(model, TOKENIZER(EXAMPLES)["input_ids"])
    # Soft-capped scores have no place in the log-sum-exp; such a model reads whole prompts.
    assert (taken is None) == (config.model_type == "gemma2")


def test_eager_attention_reads_whole_prompts() -> None:
    model = byte_llama(1, TOKENIZER)
    expected = written(model, ITEMS)
    model.set_attn_implementation("eager")
    assert read_prefix(model, [5, 6, 7]) is None
    assert written(model, ITEMS) == expected
    assert model.config._attn_implementation == "eager"


def test_samples_share_it_too() -> None:
    model = byte_llama(1, TOKENIZER)
    chosen = GenerationSettings(12, temperature=0.9, samples=3)
    shared = generate(model, prepare(ITEMS, TOKENIZER, chosen))
    assert shared == generate(
        model, prepare(ITEMS, TOKENIZER, chosen, limits=Limits(prefix=1 << 20))
    )


def test_batches_count_it_once() -> None:
    batches = prepare(ITEMS, TOKENIZER, GenerationSettings(24), limits=Limits(cells=300))
    assert TOKENIZER.decode(list(batches.prefix)) == EXAMPLES
    assert len(batches.batches) < len(batches.whole)
    for batch in batches.batches:
        cells = len(batch.prompts) * (len(batch.prompts[-1]) + 24)
        assert len(batches.prefix) + cells <= 300
        for place, rest in zip(batch.places, batch.prompts, strict=True):
            assert TOKENIZER.decode([*batches.prefix, *rest]) == ITEMS[place].prompt


def test_where_there_is_nothing_to_share() -> None:
    for items in (ITEMS[:1], [], [Item("a", "x" * Limits().prefix, "0")] * 2):
        batches = prepare(items, TOKENIZER, GenerationSettings(4))
        assert batches.prefix == ()
        assert batches.batches is batches.whole


def test_common_prefix() -> None:
    assert common_prefix([]) == 0
    assert common_prefix([(1,)]) == 0
    assert common_prefix([(1, 2, 3), (1, 2, 4), (1, 2, 3, 5)]) == 2
    assert common_prefix([(1, 2, 3), (1, 2, 3)]) == 2
    assert common_prefix([(1, 2), (1, 2, 3)]) == 1
    assert common_prefix([(2, 1), (1, 2)]) == 0


def test_the_context_ends_within_or_after_the_prefix() -> None:
    short = byte_llama(1, TOKENIZER, max_position_embeddings=60)
    batches = prepare(ITEMS, TOKENIZER, GenerationSettings(24))
    assert generate(short, batches) == [Completion("", True, 0)] * len(ITEMS)
    room = len(EXAMPLES) + 12
    model = byte_llama(1, TOKENIZER, max_position_embeddings=room)
    for item, completion in zip(ITEMS, generate(model, batches), strict=True):
        left = max(0, min(24, room - len(item.prompt)))
        assert completion.tokens == left
        assert completion.text == (theirs(model, item.prompt, left) if left else "")


def test_a_failure_leaves_the_model_as_it_was() -> None:
    model = byte_llama(1, TOKENIZER)
    expected = written(model, ITEMS)
    weight = model.model.layers[0].self_attn.v_proj.weight
    kept = weight.detach().clone()
    with torch.no_grad():
        weight.fill_(float("nan"))
    with pytest.raises(GenerationFailed, match="token 1"):
        written(model, ITEMS)
    assert model.config._attn_implementation == "sdpa"
    with torch.no_grad():
        weight.copy_(kept)
    assert written(model, ITEMS) == expected


@pytest.mark.parametrize("causal", [True, False])
def test_attention_by_its_definition(causal: bool) -> None:
    torch.manual_seed(0)
    query, (key, value) = torch.randn(2, 6, 5, 8), torch.randn(2, 2, 3, 5, 8)
    result, weight = plain_attention(query, key, value, None, 0.3, causal=causal)
    wide = [states.repeat_interleave(2, dim=1) for states in (key, value)]
    expected, expected_weight = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        query, *wide, 0.0, causal, scale=0.3
    )
    torch.testing.assert_close(result, expected)
    torch.testing.assert_close(weight, expected_weight)
