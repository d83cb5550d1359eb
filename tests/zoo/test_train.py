"""Training: the same seed gives the same weights, and the loss falls."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from zoo.plan import PLAN
from zoo.tokenizer import build_tokenizer
from zoo.train import Model, fresh_model, save, starting_model, train

BASE = PLAN[0]


def run(steps: int) -> tuple[Model, list[float]]:
    tokenizer = build_tokenizer()
    model = fresh_model(tokenizer, BASE.seed)
    losses: list[float] = []
    train(model, tokenizer, BASE, steps=steps, batch=8, report=lambda _, loss: losses.append(loss))
    return model, losses


def test_a_short_run_is_deterministic() -> None:
    (first, losses), (second, again) = run(20), run(20)
    assert losses == again
    assert losses[-1] < losses[0] - 0.5
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_saved_models_start_children(tmp_path: Path) -> None:
    tokenizer = build_tokenizer()
    model = fresh_model(tokenizer, 1)
    save(model, tokenizer, BASE, tmp_path)
    child = starting_model(PLAN[1], tokenizer, tmp_path)
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    for one, two, three in zip(
        model.parameters(), child.parameters(), plain.parameters(), strict=True
    ):
        assert torch.equal(one, two)
        assert torch.equal(one, three)
