"""A router over models: from what a shared model makes of a prompt to a weight for each model
(Twin-Merging: Lu et al., arXiv 2406.15479, section 3; layers and training of the released code)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from merging.errors import CalibrationError

# Rows of tokens read at a time.
_ROWS = 64


@dataclass(frozen=True)
class Training:
    """How a router is trained: by Adam on the cross-entropy of the right model, in `epochs` passes
    over the prompts in random order, `batch` at a time. The defaults are the paper's for
    generative tasks."""

    epochs: int = 50
    batch: int = 256
    learning_rate: float = 5e-4
    seed: int = 0


class Router(nn.Module):
    """Two hidden layers of twice the states' width, each normalised over the batch, leaky and with
    dropout of a half. Use `train_router`."""

    def __init__(self, width: int, models: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_hidden(width, 2 * width),
            *_hidden(2 * width, 2 * width),
            nn.Linear(2 * width, models),
        )

    def forward(self, states: Tensor) -> Tensor:
        """Logits (prompts x models) of states (prompts x width)."""
        logits: Tensor = self.layers(states)
        return logits

    @torch.no_grad()
    def weights(self, states: Tensor) -> Tensor:
        """The softmax of the logits: one row a prompt, which sums to 1."""
        weights: Tensor = self(states).softmax(dim=-1)
        return weights


@torch.no_grad()
def mean_states(model: Any, rows: Sequence[Sequence[int]]) -> Tensor:
    """The mean over tokens of the last hidden state, after the final norm: float32, (rows x width),
    on the CPU. `rows` are token ids, none empty."""
    found: list[Tensor] = []
    for start in range(0, len(rows), _ROWS):
        batch = rows[start : start + _ROWS]
        longest = max(map(len, batch))
        # Padding comes last, where attention is causal: it changes nothing before it.
        padded = torch.tensor([[*row, *[0] * (longest - len(row))] for row in batch])
        states = model.base_model(
            input_ids=padded.to(model.device), use_cache=False
        ).last_hidden_state
        found += [
            state[: len(row)].float().mean(dim=0).cpu()
            for state, row in zip(states, batch, strict=True)
        ]
    return torch.stack(found)


def train_router(groups: Sequence[Tensor], training: Training) -> Router:
    """A router that tells apart the states (prompts x width) of each model's own prompts.

    It comes ready for use, without dropout. The same arguments give the same router, whatever was
    drawn before. Raises CalibrationError if a model has no prompt, or a state is not finite.
    """
    if len(groups) < 2 or not all(len(group) for group in groups):
        raise CalibrationError("a router needs two models or more, and prompts for each of them")
    states = torch.cat(list(groups))
    if not bool(states.isfinite().all()):
        raise CalibrationError("the shared model's hidden states are not finite")
    labels = torch.cat([torch.full((len(one),), place) for place, one in enumerate(groups)])
    # Batches are of nearly one size: one of a single prompt would have no variance.
    batches = -(-len(states) // training.batch)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(training.seed)
        router = Router(states.shape[1], len(groups))
        adam = torch.optim.Adam(router.parameters(), lr=training.learning_rate)
        for _ in range(training.epochs):
            for places in torch.randperm(len(states)).tensor_split(batches):
                adam.zero_grad()
                loss = nn.functional.cross_entropy(router(states[places]), labels[places])
                torch.autograd.backward(loss)
                adam.step()
    return router.eval().requires_grad_(False)


def _hidden(narrow: int, wide: int) -> list[nn.Module]:
    return [nn.Linear(narrow, wide), nn.BatchNorm1d(wide), nn.LeakyReLU(), nn.Dropout(0.5)]
