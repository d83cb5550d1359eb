"""How a model's routers use its experts on calibration texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor

from merging.errors import CheckpointError
from merging.moe.layout import stored_name

Rows = Sequence[Sequence[int]]


@torch.no_grad()
def routing_statistics(model: Any, token_batches: Iterable[Rows]) -> dict[str, Tensor]:
    """For each router, by the name of its weights in the checkpoint: a (1 + E) x E tensor.

    Its first row holds how often each of the E experts was chosen, as shares of all choices. The
    rest is the similarity of experts, (1 + cos) / 2 of their columns of router logits over all
    tokens. A batch is rows of token ids, of any lengths; float32, independent of how rows are
    batched up to rounding. Source: arXiv 2310.01334 in its released code.

    Raises CheckpointError if the model has no routers, or there are no tokens.
    """
    routers = {
        stored_name(model, f"{name}.weight"): module
        for name, module in model.named_modules()
        if name.endswith(".gate") and hasattr(model.get_submodule(name[: -len(".gate")]), "experts")
    }
    if not routers:
        raise CheckpointError(f"{type(model).__name__} has no routers over experts")
    counted = {name: _Counts(module.weight.shape[0]) for name, module in routers.items()}
    read = _Mask()
    with ExitStack() as stack:
        for name, module in routers.items():
            handle = module.register_forward_hook(partial(_count, counted[name], read))
            stack.callback(handle.remove)
        for rows in token_batches:
            width = max(map(len, rows))
            # Padding comes last, where attention is causal: it changes nothing before it.
            ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows])
            lengths = torch.tensor([[len(row)] for row in rows])
            read.kept = (torch.arange(width) < lengths).reshape(-1).to(model.device)
            model(input_ids=ids.to(model.device), use_cache=False, logits_to_keep=1)
    if any(not counts.chosen.any() for counts in counted.values()):
        raise CheckpointError("no calibration token went through the routers")
    return {name: counts.statistics() for name, counts in counted.items()}


class _Mask:
    """Which places of the batch on its way hold tokens."""

    kept: Tensor


class _Counts:
    def __init__(self, experts: int) -> None:
        self.chosen = torch.zeros(experts, dtype=torch.float64)
        self.products = torch.zeros(experts, experts, dtype=torch.float64)

    def statistics(self) -> Tensor:
        """Shares of choices above similarities."""
        norms = self.products.diagonal().sqrt().clamp(min=torch.finfo(torch.float64).tiny)
        cosines = self.products / norms / norms[:, None]
        similarity = (1 + cosines) / 2
        return torch.cat([self.chosen[None] / self.chosen.sum(), similarity]).float()


def _count(
    counts: _Counts,
    read: _Mask,
    module: Any,
    inputs: tuple[Any, ...],
    outputs: tuple[Tensor, Tensor, Tensor],
) -> None:
    """A forward hook of a router, which returns logits, weights and places of the chosen."""
    del module, inputs
    logits = outputs[0][read.kept].double().cpu()
    chosen = outputs[2][read.kept].cpu()
    counts.chosen += torch.bincount(chosen.reshape(-1), minlength=len(counts.chosen))
    counts.products += logits.T @ logits
