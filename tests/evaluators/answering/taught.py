"""A model that writes what a test wants it to, for tests that need real answers."""

from __future__ import annotations

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from tests.evaluators.byte_model import byte_llama


def taught(
    tokenizer: PreTrainedTokenizerFast, prompts: list[str], texts: list[str]
) -> LlamaForCausalLM:
    """A byte model that writes these texts after these prompts: its random layers tell the places
    apart, and its head is fitted to them."""
    model = byte_llama(
        3, tokenizer, hidden_size=256, initializer_range=0.15, max_position_embeddings=512
    )
    states, tokens = [], []
    for prompt, text in zip(prompts, texts, strict=True):
        row, read = tokenizer(prompt + text)["input_ids"], len(tokenizer(prompt)["input_ids"])
        with torch.no_grad():
            hidden = model.model(input_ids=torch.tensor([row])).last_hidden_state[0]
        states.append(hidden[read - 1 : -1])
        tokens += row[read:]
    wanted = torch.nn.functional.one_hot(torch.tensor(tokens), len(tokenizer)).double()
    with torch.no_grad():
        model.lm_head.weight.copy_(torch.linalg.lstsq(torch.cat(states).double(), wanted)[0].T)
    return model
