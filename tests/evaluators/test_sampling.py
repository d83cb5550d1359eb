"""Sampling: the right distribution, from random numbers that belong to a row."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.batches import Limits, prepare
from evaluators.generation import generate
from evaluators.sampling import draw, sample_keys, uniforms
from evaluators.task import Completion, GenerationSettings, Item
from tests.evaluators.byte_model import byte_llama, byte_tokenizer

TOKENIZER = byte_tokenizer()
STOPS = tuple("aeiouAEIOU13579")
MODEL = byte_llama(1, TOKENIZER)
ITEMS = [Item(f"i{i}", (f"{i}: what is {i * 37} + 5? " * 4)[: 3 + 11 * i], "0") for i in range(6)]


def sampled(items: list[Item] = ITEMS, *, max_rows: int = 128, **chosen: float) -> list[Completion]:
    values = {"temperature": 0.8, "samples": 3, "seed": 5} | chosen
    batches = prepare(
        items,
        TOKENIZER,
        GenerationSettings(12, STOPS, **values),  # type: ignore[arg-type]
        limits=Limits(rows=max_rows),
    )
    return generate(MODEL, batches)


def test_a_sample_depends_neither_on_its_batch_nor_on_other_rows() -> None:
    together = sampled()
    assert together == sampled(max_rows=1) == sampled(max_rows=4)
    assert together[:6] == sampled(ITEMS[:2])
    fewer = sampled(samples=2)
    assert [fewer[2 * i : 2 * i + 2] for i in range(6)] == [
        together[3 * i : 3 * i + 2] for i in range(6)
    ]
    # Rows ended at different steps, so that some were dropped while others went on.
    assert len({completion.tokens for completion in together}) > 2


def test_samples_are_grouped_by_item_and_differ() -> None:
    texts = [completion.text for completion in sampled()]
    assert len(texts) == 18
    assert len(set(texts)) > 12
    assert texts != [completion.text for completion in sampled(seed=6)]


def test_little_temperature_and_a_small_nucleus_are_greedy() -> None:
    greedy = generate(MODEL, prepare(ITEMS, TOKENIZER, GenerationSettings(12, STOPS)))
    expected = [completion for completion in greedy for _ in range(3)]
    assert sampled(temperature=1e-30) == expected
    assert sampled(top_p=1e-9) == expected
    assert sampled(temperature=0.0) == expected


def test_no_item_and_no_room() -> None:
    assert sampled([]) == []
    full = [Item("long", "x" * 256, "0")]
    assert sampled(full) == [Completion("", truncated=True, tokens=0)] * 3


@pytest.mark.parametrize("top_p", [1.0, 0.6])
def test_tokens_have_their_probabilities(top_p: float) -> None:
    torch.manual_seed(0)
    logits = 2 * torch.randn(1, 40)
    n, temperature = 20_000, 1.3
    numbers = uniforms(sample_keys(0, (("i", sample) for sample in range(n))), 3)
    tokens = draw(logits.expand(n, -1), numbers, temperature, top_p)
    assert tokens.shape == (n, 1)
    expected = (logits[0].double() / temperature).softmax(0)
    order = expected.argsort(descending=True)
    before = expected[order].cumsum(0) - expected[order]
    expected[order[before >= top_p]] = 0
    expected /= expected.sum()
    counts = torch.bincount(tokens[:, 0], minlength=40).double()
    assert bool((counts[expected == 0] == 0).all())
    # Five standard deviations of a binomial count, and one for tokens that are never expected.
    bound = 5 * (n * expected * (1 - expected)).sqrt() + 1
    assert bool(((counts - n * expected).abs() <= bound).all())


def test_a_nucleus_wider_than_the_likeliest_tokens() -> None:
    numbers = torch.linspace(0, 0.9999, 500, dtype=torch.float64)
    tokens = draw(torch.zeros(500, 3000), numbers, 1.0, 0.9)
    assert 430 < len(set(tokens[:, 0].tolist())) <= 500


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**63), st.integers(0, 5000))
def test_uniform_numbers(seed: int, step: int) -> None:
    keys = sample_keys(seed, ((f"i{place}", sample) for place in range(20) for sample in range(10)))
    numbers = uniforms(keys, step)
    assert len(set(numbers.tolist())) == 200
    assert 0 <= float(numbers.min()) < 0.2
    assert 0.8 < float(numbers.max()) < 1
    assert torch.equal(numbers[[3, 7]], uniforms(keys[[3, 7]], step))
    assert not torch.equal(numbers, uniforms(keys, step + 1))


def test_reference_values_of_splitmix64() -> None:
    # The first outputs of the published generator for the seed 1234567.
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    numbers = [float(uniforms(np.array([1234567], dtype=np.uint64), i)[0]) for i in range(3)]
    assert numbers == [(output >> 12) * 2.0**-52 for output in published]


@pytest.mark.parametrize(
    ("name", "value"), [("temperature", -0.1), ("temperature", float("nan")), ("top_p", 0.0)]
)
def test_settings_outside_their_ranges(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        GenerationSettings(8, **{name: value})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="samples"):
        GenerationSettings(8, samples=0)
