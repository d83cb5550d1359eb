"""The bundled mixture of experts: an ordinary folder, small, trained by the same code."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, MixtralForCausalLM

import zoo
from evaluators.scoring import PreparedTask
from evaluators.word_problems import WordProblems
from evaluators.word_problems_wording import Language
from zoo.corpus import KINDS
from zoo.plan import MOE
from zoo.tokenizer import build_tokenizer
from zoo.train import Model, fresh_model, save, train

FOLDER = Path(zoo.__file__).parent / "moe"


def run() -> tuple[Model, list[float]]:
    tokenizer, losses = build_tokenizer(), list[float]()
    model = fresh_model(tokenizer, MOE.seed, experts=True)
    train(model, tokenizer, MOE, steps=15, batch=8, report=lambda _, loss: losses.append(loss))
    return model, losses


def test_the_folder_is_complete_small_and_of_the_zoos_tokenizer() -> None:
    model = AutoModelForCausalLM.from_pretrained(FOLDER)
    assert isinstance(model, MixtralForCausalLM)
    assert model.dtype == torch.bfloat16
    assert model.config.num_local_experts == 8
    assert (FOLDER / "model.safetensors").stat().st_size < 4 * 2**20
    base = FOLDER.parent / "base"
    assert (FOLDER / "tokenizer.json").read_text() == (base / "tokenizer.json").read_text()
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlicense: apache-2.0\n")
    assert "Mixtral architecture" in card


def test_the_course_is_sound() -> None:
    assert set(MOE.shares) <= set(KINDS)
    assert sum(MOE.shares.values()) == pytest.approx(1)


@pytest.mark.parametrize("language", ["ja", "en"])
def test_it_solves_problems_in_both_languages(language: Language) -> None:
    model = AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    values = PreparedTask(WordProblems(language), "select", tokenizer, limit=60).score(model).values
    assert sum(values) / len(values) > 0.85


def test_training_is_deterministic_and_weights_are_written_in_bfloat16(tmp_path: Path) -> None:
    (first, losses), (second, again) = run(), run()
    assert losses == again
    assert losses[-1] < losses[0] - 0.5
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)
    save(first, build_tokenizer(), MOE, tmp_path)
    written = AutoModelForCausalLM.from_pretrained(tmp_path / "moe")
    for one, other in zip(written.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other.bfloat16())
