"""Our decoding loop against transformers' own greedy `generate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Gemma2Config,
    GPT2Config,
    MistralConfig,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2Config,
)
from transformers import PreTrainedTokenizerBase as TokenizerBase

from evaluators.batches import Limits, prepare
from evaluators.errors import GenerationFailed, UnsupportedModel
from evaluators.generation import generate
from evaluators.stops import StopStrings
from evaluators.task import Completion, GenerationSettings, Item
from evaluators.tasks import load_task
from tests.evaluators.byte_model import END, byte_llama, byte_tokenizer

TOKENIZER = byte_tokenizer()
LENGTHS = (1, 2, 3, 3, 9, 9, 17, 30, 30, 61, 5, 1, 40)
ITEMS = [
    Item(f"i{i}", (f"{i}: what is {i * 37} + 5? " * 4)[:length], "0")
    for i, length in enumerate(LENGTHS)
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
ZOO = Path(__file__).parents[2] / "zoo"


def ours(
    model: PreTrainedModel,
    items: Sequence[Item] = ITEMS,
    *,
    tokens: int = 24,
    stop: tuple[str, ...] = (),
    tokenizer: TokenizerBase = TOKENIZER,
    **limits: Any,
) -> list[Completion]:
    settings = GenerationSettings(tokens, stop)
    return generate(model, prepare(items, tokenizer, settings, limits=Limits(**limits)))


def theirs(
    model: PreTrainedModel, prompt: str, tokens: int = 24, tokenizer: TokenizerBase = TOKENIZER
) -> str:
    """The text of transformers' greedy generation of one prompt, without any padding."""
    encoded = tokenizer(prompt, return_tensors="pt")
    output = model.generate(  # type: ignore[operator]
        input_ids=encoded["input_ids"],
        attention_mask=encoded["attention_mask"],
        max_new_tokens=tokens,
        do_sample=False,
        pad_token_id=1,
    )
    text = tokenizer.decode(output[0, encoded["input_ids"].shape[1] :], skip_special_tokens=True)
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_equals_transformers_greedy(attention: str) -> None:
    model = byte_llama(1, TOKENIZER)
    model.set_attn_implementation(attention)
    texts = [theirs(model, item.prompt) for item in ITEMS]
    for rows in (1, 4, 64):
        completions = ours(model, rows=rows)
        assert completions == [Completion(text, True, 24) for text in texts]


@pytest.mark.parametrize(
    "config",
    [
        MistralConfig(sliding_window=100, **SMALL),
        Qwen2Config(use_sliding_window=False, **SMALL),
        Gemma2Config(head_dim=8, sliding_window=100, **SMALL),
        GPT2Config(vocab_size=len(TOKENIZER), n_embd=32, n_layer=2, n_head=4, eos_token_id=None),
    ],
    ids=lambda config: str(config.model_type),
)
def test_other_families(config: PreTrainedConfig) -> None:
    torch.manual_seed(1)
    model: Any = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    model.train(False)
    model.generation_config.eos_token_id = TOKENIZER.eos_token_id
    texts = [theirs(model, item.prompt) for item in ITEMS]
    assert [c.text for c in ours(model)] == texts


def test_limits_of_a_batch() -> None:
    batches = prepare(ITEMS, TOKENIZER, GenerationSettings(24), limits=Limits(cells=120))
    assert sorted(p for b in batches.batches for p in b.places) == list(range(len(ITEMS)))
    for batch in batches.batches:
        lengths = [len(p) for p in batch.prompts]
        assert lengths == sorted(lengths)
        assert len(lengths) * (lengths[-1] + 24) <= 120 or len(lengths) == 1


def test_batches_serve_models_in_turn() -> None:
    batches = prepare(ITEMS, TOKENIZER, GenerationSettings(24), limits=Limits(rows=5))
    for seed, layers in ((1, 2), (2, 4), (3, 1), (1, 2)):
        model = byte_llama(seed, TOKENIZER, num_hidden_layers=layers)
        texts = [c.text for c in generate(model, batches)]
        assert texts == [theirs(model, item.prompt) for item in ITEMS]


def test_stop_strings_that_span_tokens() -> None:
    model = byte_llama(1, TOKENIZER)
    whole = [theirs(model, item.prompt) for item in ITEMS]
    stops = (whole[0][5:8], whole[4][10:12], whole[7][23:24], "never seen")
    completions = ours(model, stop=stops)
    for text, completion in zip(whole, completions, strict=True):
        ends = [(text.find(s) + len(s), text.find(s)) for s in stops if s in text]
        if ends:
            assert completion.text == text[: min(place for _, place in ends)]
            assert completion.tokens == min(end for end, _ in ends)
            assert not completion.truncated
        else:
            assert completion == Completion(text, True, 24)
    assert not any(completions[i].truncated for i in (0, 4, 7))


def test_end_tokens() -> None:
    model = byte_llama(1, TOKENIZER)
    whole = [theirs(model, item.prompt) for item in ITEMS]
    characters = [whole[0][3], whole[4][9]]
    ends = TOKENIZER.convert_tokens_to_ids(characters)
    assert model.generation_config is not None
    model.generation_config.eos_token_id = ends
    for text, completion in zip(whole, ours(model), strict=True):
        places = [text.find(c) for c in characters if c in text]
        if places:
            assert completion == Completion(text[: min(places)], False, min(places) + 1)
        else:
            assert completion == Completion(text, True, 24)


def test_the_context_cuts_completions_short() -> None:
    model = byte_llama(1, TOKENIZER, max_position_embeddings=40)
    assert ours(model, [ITEMS[9]]) == [Completion("", True, 0)]
    completions = ours(model)
    for item, completion in zip(ITEMS, completions, strict=True):
        room = max(0, min(24, 40 - len(item.prompt)))
        assert completion.tokens == room
        assert completion.truncated
        assert completion.text == (theirs(model, item.prompt, room) if room else "")


def test_without_a_pad_token() -> None:
    tokenizer = byte_tokenizer(pad=False)
    assert tokenizer.pad_token is None
    model = byte_llama(1, tokenizer)
    assert ours(model, tokenizer=tokenizer) == ours(model)


def test_an_empty_prompt_starts_from_the_end_token() -> None:
    model = byte_llama(1, TOKENIZER)
    (completion,) = ours(model, [Item("empty", "", "0")])
    assert completion.text == theirs(model, END)


def test_no_items() -> None:
    assert ours(byte_llama(1, TOKENIZER), []) == []


def test_a_model_of_nan_fails_and_leaves_no_trace() -> None:
    batches = prepare(ITEMS, TOKENIZER, GenerationSettings(24))
    model = byte_llama(1, TOKENIZER)
    broken = byte_llama(1, TOKENIZER)
    with torch.no_grad():
        broken.model.layers[0].self_attn.v_proj.weight.fill_(float("nan"))
    with pytest.raises(GenerationFailed, match="token 1"):
        generate(broken, batches)
    assert [c.text for c in generate(model, batches)] == [theirs(model, i.prompt) for i in ITEMS]


def test_a_short_attention_window_is_refused() -> None:
    model = byte_llama(1, TOKENIZER)
    model.config.sliding_window = 32
    with pytest.raises(UnsupportedModel, match="window of 32"):
        ours(model)
    model.config.layer_types = ["full_attention", "linear_attention"]
    with pytest.raises(UnsupportedModel, match="linear_attention"):
        ours(model)


def test_stop_strings_of_characters_that_span_tokens() -> None:
    stops = StopStrings(("答え", "\n"), TOKENIZER)
    tokens = TOKENIZER.encode("はい。答え")
    reached = [stops.reached(tokens[: i + 1]) for i in range(len(tokens))]
    assert reached == [False] * (len(tokens) - 1) + [True]
    assert stops.completing[tokens[-1]]
    assert stops.cut("はい。\n答え") == "はい。"
    assert not stops.completing[TOKENIZER.encode("x")[0]]
    assert bool(StopStrings(("a ",), TOKENIZER).completing.all())
    assert not bool(StopStrings((), TOKENIZER).completing.any())


@pytest.mark.parametrize("name", ["base", "ja", "maths", "distractor"])
def test_the_zoo_writes_what_transformers_would(name: str) -> None:
    if not (ZOO / name / "model.safetensors").is_file():
        pytest.skip("the bundled parents are not trained")
    tokenizer = AutoTokenizer.from_pretrained(ZOO / name)
    model: Any = AutoModelForCausalLM.from_pretrained(ZOO / name, dtype=torch.float32)
    task = load_task("word_problems_ja")
    items = task.items("search")[:100]
    batches = prepare(items, tokenizer, task.generation)
    encoded = tokenizer([i.prompt for i in items], return_tensors="pt", padding=True)
    output = model.generate(**encoded, max_new_tokens=task.generation.max_new_tokens)
    texts = tokenizer.batch_decode(
        output[:, encoded["input_ids"].shape[1] :], skip_special_tokens=True
    )
    assert [c.text for c in generate(model, batches)] == [t.split("\n")[0] for t in texts]
