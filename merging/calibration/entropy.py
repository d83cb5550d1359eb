"""Coefficients of task vectors that make a child sure of itself (AdaMerging: Yang et al., arXiv
2310.02575, section 3.2; layer-wise)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from merging.calibration.texts import Text
from merging.errors import CalibrationError
from merging.moe.layout import stored_tensors

Reader = Callable[[str], Tensor]


@dataclass(frozen=True)
class Descent:
    """How the coefficients are found: by Adam (betas 0.9 and 0.999), in `steps` steps of size
    `learning_rate`, from `initial`, with `batch` texts of every task a step, drawn by `seed`. The
    defaults are the paper's."""

    steps: int = 500
    learning_rate: float = 1e-3
    initial: float = 0.3
    batch: int = 16
    seed: int = 0


def layerwise_coefficients(
    model: Any,
    base: Reader,
    parents: Sequence[Reader],
    tasks: Sequence[Sequence[Text]],
    descent: Descent,
) -> dict[str, Tensor]:
    """lambda of theta^l = theta_0^l + sum_k lambda_k^l tau_k^l for each tensor l: float32, one a
    parent.

    They minimise the sum over tasks of the mean Shannon entropy, in nats, of the child's
    predictions on the task's texts, and are kept within [0, 1]. No label is read. The gradient is
    <dL/d theta^l, tau_k^l>, from one backward pass a task and step. `base` and `parents` read a
    tensor by name; `model` is of their architecture and ends up as the child.

    Low entropy is what a sure model has, right or wrong, and what one that repeats itself has: take
    the result for a start rather than for an answer.

    Memory is that of the model and its gradient, beside the mapped parents. Raises CalibrationError
    where a task has no text, or the entropy is not finite.
    """
    if not tasks or not all(tasks):
        raise CalibrationError("there is no text to measure the entropy on")
    targets = stored_tensors(model)
    names = list(targets)
    found = torch.full((len(names), len(parents)), descent.initial)
    adam = torch.optim.Adam([found], lr=descent.learning_rate)
    generator = torch.Generator().manual_seed(descent.seed)
    model.eval()
    for _ in range(descent.steps):
        _write(targets, base, parents, found)
        batches = [_drawn(texts, descent.batch, generator) for texts in tasks]
        gradients = _gradients(model, batches)
        found.grad = torch.tensor(
            [
                [_product(gradients[name], base(name), parent(name)) for parent in parents]
                for name in names
            ]
        )
        adam.step()
        found.clamp_(0.0, 1.0)
    _write(targets, base, parents, found)
    return dict(zip(names, found, strict=True))


def mean_entropy(model: Any, texts: Sequence[Text]) -> Tensor:
    """The mean over texts of the mean entropy, in nats, of the predictions that count."""
    width = max(len(text.tokens) for text in texts)
    # Padding comes last, where attention is causal: it changes nothing before it.
    rows = [[*text.tokens, *[0] * (width - len(text.tokens))] for text in texts]
    logits = model(input_ids=torch.tensor(rows, device=model.device), use_cache=False).logits
    chances = torch.log_softmax(logits.float(), dim=-1)
    entropies = -(chances.exp() * chances).sum(dim=-1)
    of_texts = [
        row[text.read - 1 : len(text.tokens)].mean()
        for row, text in zip(entropies, texts, strict=True)
    ]
    return torch.stack(of_texts).mean()


@torch.no_grad()
def _write(
    targets: dict[str, Tensor], base: Reader, parents: Sequence[Reader], coefficients: Tensor
) -> None:
    for (name, target), row in zip(targets.items(), coefficients.tolist(), strict=True):
        start = base(name).to(target.device).float()
        merged = start.clone()
        for parent, coefficient in zip(parents, row, strict=True):
            merged += coefficient * (parent(name).to(target.device).float() - start)
        target.copy_(merged)


def _drawn(texts: Sequence[Text], count: int, generator: torch.Generator) -> list[Text]:
    order = torch.randperm(len(texts), generator=generator)[:count]
    return [texts[place] for place in order.tolist()]


def _gradients(model: Any, batches: Sequence[Sequence[Text]]) -> dict[str, Tensor]:
    """d/d theta of the sum over tasks of their entropy, by the names of the checkpoint."""
    parameters = dict(model.named_parameters())
    model.requires_grad_(True)
    try:
        for batch in batches:
            entropy = mean_entropy(model, batch)
            if not bool(entropy.isfinite()):
                raise CalibrationError("the entropy of the child's predictions is not finite")
            torch.autograd.backward(entropy)
        found = {
            name: torch.zeros_like(one) if one.grad is None else one.grad
            for name, one in parameters.items()
        }
    finally:
        model.requires_grad_(False)
        model.zero_grad(set_to_none=True)
    return stored_tensors(model, found)


def _product(gradient: Tensor, base: Tensor, parent: Tensor) -> float:
    """<gradient, parent - base>."""
    device = gradient.device
    change = parent.to(device).float() - base.to(device).float()
    return float((gradient.float() * change).sum(dtype=torch.float64))
