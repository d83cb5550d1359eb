"""The bundled models: ordinary folders, small, with a tokenizer that knows every word."""

from __future__ import annotations

import json
import random
from itertools import islice
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

import zoo
from evaluators.task import SPLITS
from evaluators.word_problems import WordProblems
from evaluators.word_problems_wording import Language
from zoo.corpus import KINDS
from zoo.measure import Bench, interval, subsets, uniform
from zoo.plan import PLAN

HERE = Path(zoo.__file__).parent
NAMES = [course.name for course in PLAN]


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench(HERE)


@pytest.mark.parametrize("name", NAMES)
def test_loads_with_plain_transformers(name: str) -> None:
    model = AutoModelForCausalLM.from_pretrained(HERE / name)
    tokenizer = AutoTokenizer.from_pretrained(HERE / name)
    assert isinstance(model, LlamaForCausalLM)
    assert model.config.vocab_size == len(tokenizer)
    assert model.config.eos_token_id == tokenizer.eos_token_id == 2
    assert model.config.pad_token_id == tokenizer.pad_token_id == 0
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    assert model.generation_config.pad_token_id == tokenizer.pad_token_id
    assert 0.4e6 <= model.num_parameters() <= 2e6
    assert all(bool(torch.isfinite(p).all()) for p in model.parameters())


def test_folders_are_complete_and_small() -> None:
    total = 0
    for name in NAMES:
        files = {path.name: path.stat().st_size for path in (HERE / name).iterdir()}
        assert {"config.json", "generation_config.json", "model.safetensors"} <= set(files)
        assert {"tokenizer.json", "tokenizer_config.json", "README.md"} <= set(files)
        total += sum(files.values())
    assert total <= 16 * 2**20


def test_one_tokenizer_and_one_architecture() -> None:
    for file in ("tokenizer.json", "config.json"):
        assert len({json.dumps(json.loads((HERE / n / file).read_text())) for n in NAMES}) == 1


@pytest.mark.parametrize("name", NAMES)
def test_model_card(name: str) -> None:
    card = (HERE / name / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlicense: apache-2.0\n")
    assert ("base_model: " in card) == (name != "base")


@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_item_is_in_the_vocabulary_and_decodes_to_itself(language: Language) -> None:
    tokenizer = AutoTokenizer.from_pretrained(HERE / "base")
    for split in SPLITS:
        prompts = [item.prompt for item in WordProblems(language).items(split)]
        for text, ids in zip(prompts, tokenizer(prompts)["input_ids"], strict=True):
            assert tokenizer.unk_token_id not in ids
            assert tokenizer.decode(ids, skip_special_tokens=True) == text


@pytest.mark.parametrize("kind", KINDS)
def test_every_document_is_in_the_vocabulary(kind: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(HERE / "base")
    texts = list(islice(KINDS[kind](random.Random(9)), 300))
    for text, ids in zip(texts, tokenizer(texts)["input_ids"], strict=True):
        assert tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids, skip_special_tokens=True) == text
        assert len(ids) < 128


def test_parents_know_their_own_language(bench: Bench) -> None:
    english = WordProblems("en")
    bench.load(uniform(maths=1.0))
    assert bench.score(english, english.items("select")[:60]) > 0.85
    for name in ("ja", "distractor"):
        bench.load(uniform(**{name: 1.0}))
        assert bench.score(english, english.items("select")[:60]) < 0.6


def test_no_parent_solves_japanese_problems(bench: Bench) -> None:
    japanese = WordProblems("ja")
    for name in ("maths", "ja", "distractor"):
        bench.load(uniform(**{name: 1.0}))
        assert bench.score(japanese, japanese.items("select")[:60]) < 0.55


def test_subsets_and_intervals() -> None:
    assert len(list(subsets())) == 11
    low, high = interval(0.5, 100)
    assert (round(low, 4), round(high, 4)) == (0.4038, 0.5962)
