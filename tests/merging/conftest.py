"""Tiny random Llama families: a base and children a small step away from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

LAYERS = 3
Family = dict[str, Path]


def write_model(folder: Path, seed: int, near: Path | None = None, **config: Any) -> Path:
    """A random model; with `near`, the model in that folder plus small random changes."""
    settings: dict[str, Any] = {
        "vocab_size": 40,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
        "tie_word_embeddings": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    settings |= config
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlamaForCausalLM(LlamaConfig(**settings))
        with torch.no_grad():
            if near is not None:
                model.load_state_dict(LlamaForCausalLM.from_pretrained(near).state_dict())
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.05)
    model.save_pretrained(folder)
    (folder / "tokenizer.json").write_text(json.dumps({"made_by": folder.name}))
    return folder


def write_family(root: Path, **config: Any) -> Family:
    base = write_model(root / "base", 0, **config)
    children = ("maths", "ja", "other")
    return {"base": base} | {
        name: write_model(root / name, seed, base, **config)
        for seed, name in enumerate(children, start=1)
    }


@pytest.fixture(scope="session")
def tied(tmp_path_factory: pytest.TempPathFactory) -> Family:
    return write_family(tmp_path_factory.mktemp("tied"))


@pytest.fixture(scope="session")
def untied(tmp_path_factory: pytest.TempPathFactory) -> Family:
    return write_family(tmp_path_factory.mktemp("untied"), tie_word_embeddings=False)


@pytest.fixture(params=["tied", "untied"])
def family(request: pytest.FixtureRequest) -> Family:
    found: Family = request.getfixturevalue(request.param)
    return found
