"""A tokenizer of single bytes and random Llamas that write printable text with it."""

from __future__ import annotations

from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

END = "<end>"
PAD = "<pad>"


def byte_tokenizer(*, pad: bool = True) -> PreTrainedTokenizerFast:
    """Every byte is a token, so that characters and stop strings span several."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate([END, PAD, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD if pad else None,
        clean_up_tokenization_spaces=False,
    )


def byte_llama(seed: int, tokenizer: PreTrainedTokenizerFast, **config: Any) -> LlamaForCausalLM:
    """A Llama with random weights, which writes printable ASCII and never ends by itself."""
    torch.manual_seed(seed)
    settings: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "initializer_range": 0.4,
        "tie_word_embeddings": False,
        "bos_token_id": None,
        "eos_token_id": None,
        "pad_token_id": None,
    }
    model: LlamaForCausalLM = LlamaForCausalLM(LlamaConfig(**settings | config))
    model.train(False)
    printable = tokenizer.encode("".join(map(chr, range(33, 127))))
    with torch.no_grad():
        weight = model.lm_head.weight
        kept = weight[printable].clone()
        weight.zero_()
        weight[printable] = kept
    return model
