"""The diagonal of a model's Fisher information (Matena and Raffel, arXiv 2111.09832, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from merging.calibration.texts import Text
from merging.errors import CalibrationError
from merging.moe.layout import stored_tensors


def diagonal_fisher(model: Any, texts: Sequence[Text], *, seed: int) -> dict[str, Tensor]:
    """F = (1/N) sum_n (d/d theta sum_i log p(y_ni | x_n, up to token i))^2, entry by entry.

    By tensor name in the checkpoint, in float32 and of the tensor's shape. An example is a text;
    the gradient is squared for each by itself, so how texts are grouped plays no part. Its labels
    are drawn from the model's own predictions, one a place that counts, independently given the
    text: cross terms between places vanish in expectation, and F is the sum over places of the
    expected squared gradient. Enumerating the labels, as for a classifier, would take a backward
    pass for each token of the vocabulary. `seed` fixes the draws.

    Memory is that of the model and two more in float32. The model is left without gradients.
    Raises CalibrationError without texts, or where a prediction or gradient is not finite.
    """
    if not texts:
        raise CalibrationError("there is no text to compute the Fisher information on")
    parameters = dict(model.named_parameters())
    sums = {name: torch.zeros_like(one, dtype=torch.float32) for name, one in parameters.items()}
    generator = torch.Generator().manual_seed(seed)
    model.eval()
    model.requires_grad_(True)
    try:
        for text in texts:
            likelihood = _drawn_likelihood(model, text, generator)
            # A mixture's experts that no token went to have no gradient.
            gradients = torch.autograd.grad(
                likelihood, list(parameters.values()), allow_unused=True
            )
            for total, gradient in zip(sums.values(), gradients, strict=True):
                if gradient is not None:
                    total.addcmul_(gradient.float(), gradient.float())
    finally:
        model.requires_grad_(False)
    for name, total in stored_tensors(model, sums).items():
        if not bool(total.isfinite().all()):
            raise CalibrationError(f"the Fisher information of {name!r} is not finite")
    return {name: total / len(texts) for name, total in stored_tensors(model, sums).items()}


def _drawn_likelihood(model: Any, text: Text, generator: torch.Generator) -> Tensor:
    """The sum of log p of labels drawn at the places that count."""
    ids = torch.tensor([text.tokens], device=model.device)
    logits = model(input_ids=ids, use_cache=False, logits_to_keep=text.predictions).logits[0]
    chances = torch.log_softmax(logits.float(), dim=-1)
    # Drawn on the CPU, where the same seed gives the same labels whatever computes.
    shares = chances.detach().exp().cpu()
    if not bool(shares.isfinite().all()):
        raise CalibrationError("the model's predictions are not finite")
    drawn = torch.multinomial(shares, 1, generator=generator)
    return chances.gather(1, drawn.to(chances.device)).sum()
