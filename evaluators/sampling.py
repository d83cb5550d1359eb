"""Drawing next tokens with random numbers that belong to a row, not to a batch.

Every completion has a key, made of the seed, its item's id and its sample's number; the number
drawn at a step depends on the key and the step alone. So a sample is the same in any batch, and
whether or not other rows have ended.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import torch

# Likely tokens looked at first for a nucleus: sorting a whole vocabulary costs many times more.
_LIKELY = 256

Keys = npt.NDArray[np.uint64]


def sample_keys(seed: int, samples: Iterable[tuple[str, int]]) -> Keys:
    """One key for each (item's id, sample's number)."""
    texts = (f"{seed} {sample} {item}" for item, sample in samples)
    digests = (hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.array([int.from_bytes(digest) for digest in digests], dtype=np.uint64)


def uniforms(keys: Keys, step: int) -> torch.Tensor:
    """A number in [0, 1) for each key: SplitMix64, seeded by the key, at its output `step`.

    Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
    """
    mixed = keys + np.uint64((step + 1) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed = mixed ^ (mixed >> np.uint64(31))
    # 52 bits: a double just below one times any total is still below the total.
    return torch.from_numpy((mixed >> np.uint64(12)).astype(np.float64) * 2.0**-52)


def draw(
    logits: torch.Tensor, numbers: torch.Tensor, temperature: float, top_p: float
) -> torch.Tensor:
    """Tokens (rows, 1) for logits (rows, vocabulary) and one uniform number a row.

    Softmax at a temperature above 0, cut to the smallest set of most likely tokens that has
    probability `top_p` (Holtzman et al., arXiv 1904.09751), by the inverse of its distribution.
    """
    logits = logits.float()
    # The difference first: dividing by a tiny temperature may overflow only downwards then.
    scaled = (logits - logits.max(dim=-1, keepdim=True).values) / temperature
    probabilities = scaled.softmax(dim=-1)
    if top_p >= 1:
        return _inverse(probabilities, numbers)
    kept, tokens = _nucleus(probabilities, top_p)
    return tokens.gather(1, _inverse(kept, numbers))


def _nucleus(probabilities: torch.Tensor, top_p: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The likeliest tokens' probabilities, zero beyond the nucleus, and which tokens they are."""
    vocabulary = probabilities.shape[-1]
    count = min(_LIKELY, vocabulary)
    while True:
        values, tokens = probabilities.topk(count)
        reached = values.cumsum(dim=-1, dtype=torch.float64)
        if count == vocabulary or bool((reached[:, -1] >= top_p).all()):
            return values.masked_fill(reached - values >= top_p, 0), tokens
        count = min(8 * count, vocabulary)


def _inverse(weights: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """The first place of each row where the running share of the weights exceeds its number."""
    reached = weights.cumsum(dim=-1, dtype=torch.float64)
    targets = numbers.to(reached.device)[:, None] * reached[:, -1:]
    return torch.searchsorted(reached, targets, right=True)
