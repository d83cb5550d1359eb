"""How large a child is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from merging.layout import layer_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def parameter_count(model: PreTrainedModel) -> int:
    """The number of parameters of the model as an export: layers that share their weights in memory
    count each by itself, a head that is tied to the embeddings does not."""
    counted = {
        (id(parameter), layer_of(name)): parameter.numel()
        for name, parameter in model.named_parameters(remove_duplicate=False)
    }
    return sum(counted.values())
