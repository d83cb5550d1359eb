"""A byte-level byte-pair tokenizer as GGUF has it: tokens by number, their kinds and merges."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merging.errors import CheckpointError
from merging.model_files import read_json

_NORMAL, _CONTROL, _USER_DEFINED, _UNUSED = 1, 3, 4, 5

_LETTERS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# How text is cut before its bytes are paired, by the names that llama.cpp has for it.
QWEN2 = _LETTERS + r"\p{N}" + _REST
"""The expression by which Qwen2 cuts text into words."""

_SPLITS = {_LETTERS + r"\p{N}{1,3}" + _REST: "llama-bpe", QWEN2: "qwen2"}


@dataclass(frozen=True)
class Vocabulary:
    """`cut` is llama.cpp's name of how text is cut into words; `roles` are the numbers of bos, eos,
    pad and unk; `begins` says whether texts begin with bos."""

    tokens: list[str]
    kinds: list[int]
    merges: list[str]
    cut: str
    roles: dict[str, int]
    begins: bool
    chat_template: str | None


def read_vocabulary(folder: Path, size: int) -> Vocabulary:
    """The tokenizer in a model folder, filled up to `size` tokens. Raises CheckpointError."""
    data = read_json(folder / "tokenizer.json", "no tokenizer.json, which GGUF is written from")
    model = data["model"]
    added = {one["content"]: one for one in data.get("added_tokens") or ()}
    if model.get("type") != "BPE":
        message = (
            f"has a tokenizer of the kind {model.get('type')}; GGUF is written of byte-level BPE"
        )
        raise CheckpointError(f"{folder}: {message}")
    numbers = {**model["vocab"], **{token: one["id"] for token, one in added.items()}}
    by_number = {number: token for token, number in numbers.items()}
    if max(by_number) >= size:
        raise CheckpointError(f"{folder}: has more tokens than the {size} of its embeddings")
    tokens, kinds = [], []
    for number in range(size):
        token = by_number.get(number)
        tokens.append(f"[PAD{number}]" if token is None else token)
        if token is None:
            kinds.append(_UNUSED)
        elif token in added:
            kinds.append(_CONTROL if added[token].get("special") else _USER_DEFINED)
        else:
            kinds.append(_NORMAL)
    merges = [one if isinstance(one, str) else " ".join(one) for one in model["merges"]]
    settings = _settings(folder)
    roles = {
        role: numbers[token]
        for role in ("bos", "eos", "pad", "unk")
        if (token := _content(settings.get(f"{role}_token"))) in numbers
    }
    return Vocabulary(
        tokens,
        kinds,
        merges,
        _cut(folder, data.get("pre_tokenizer")),
        roles,
        _begins(data.get("post_processor"), roles.get("bos")),
        settings.get("chat_template"),
    )


def _settings(folder: Path) -> dict[str, Any]:
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    template = folder / "chat_template.jinja"
    if template.is_file():
        settings["chat_template"] = template.read_text(encoding="utf-8")
    return dict(settings)


def _content(token: Any) -> str | None:
    return token.get("content") if isinstance(token, dict) else token


def _cut(folder: Path, pre: dict[str, Any] | None) -> str:
    steps = pre["pretokenizers"] if pre and pre["type"] == "Sequence" else [pre or {}]
    kinds = [step.get("type") for step in steps]
    if kinds == ["Split", "ByteLevel"]:
        found = _SPLITS.get(steps[0]["pattern"].get("Regex"))
    elif kinds == ["Digits", "ByteLevel"] and steps[0].get("individual_digits"):
        found = "smollm"
    else:
        found = "gpt-2" if kinds == ["ByteLevel"] else None
    if found is None:
        raise CheckpointError(f"{folder}: cuts text in a way that GGUF has no name for here")
    return found


def _begins(post: dict[str, Any] | None, bos: int | None) -> bool:
    """Whether the post-processor puts bos before a text."""
    steps = post["processors"] if post and post["type"] == "Sequence" else [post or {}]
    for step in steps:
        if step.get("type") == "TemplateProcessing" and step["single"]:
            first = step["single"][0].get("SpecialToken")
            if first is not None:
                return bos in step["special_tokens"][first["id"]]["ids"]
    return False
