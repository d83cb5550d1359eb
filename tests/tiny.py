"""Tiny Llama checkpoints with random weights, made in a moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

WORDS = ["<pad>", "</s>", "<unk>", *"0123456789", "one", "two", "and", "is", "?", "=", "+", "."]

_Fast: Any = PreTrainedTokenizerFast


CHAT_WORDS = ["<user>", "<model>", "<turn>"]
CHAT_TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'user' %}<user>{{ m.content }}"
    "{% else %}<model>{{ m.content }}<turn>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<model>{% endif %}"
)


def write_llama(
    folder: Path, seed: int, *, layers: int = 3, hidden: int = 32, chat: str | None = None
) -> Path:
    """Write a random Llama with a word tokenizer to `folder`, and return it.

    With a chat template its tokens are also those of `CHAT_WORDS`.
    """
    words_there = WORDS if chat is None else [*WORDS, *CHAT_WORDS]
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(words_there),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
        tie_word_embeddings=True,
    )
    model: Any = LlamaForCausalLM(config)
    model.save_pretrained(folder)
    words = Tokenizer(WordLevel({word: index for index, word in enumerate(words_there)}, "<unk>"))
    words.pre_tokenizer = Whitespace()
    tokenizer: Any = _Fast(
        tokenizer_object=words, eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )
    if chat is not None:
        tokenizer.add_tokens(CHAT_WORDS, special_tokens=True)
        tokenizer.chat_template = chat
    tokenizer.save_pretrained(folder)
    return folder
